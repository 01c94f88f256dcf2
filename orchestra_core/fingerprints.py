"""The run's fingerprint: everything that decides its figures, and how two fingerprints differ.

Made once, at the start of a run; it stands in RUN_STARTED and in the report.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from orchestra_core.datasets import Dataset
from orchestra_core.errors import describe_error
from orchestra_core.plan import Plan, sha256_of
from orchestra_core.report import PluginRecord
from orchestra_core.runner import Fingerprint, Runner

Print = Mapping[str, Any]
PARTS = ("corpus", "queries", "qrels")


def fingerprint_of(
    plan: Plan, dataset: Dataset, plugins: Sequence[PluginRecord], measured: Print
) -> dict[str, Any]:
    """Experiment, plan, dataset by parts and plugin versions, beside what the runner says it measures.

    `measured`: the runner's fingerprint as a mapping; empty when no runner was opened.
    """
    return {
        **measured,
        "experiment_sha256": sha256_of(plan.experiment.model_dump(mode="json")),
        "plan_hash": plan.plan_hash,
        "dataset": {"name": dataset.name, **dataset.parts_sha256},
        "plugins": {record.name: record.version for record in plugins},
    }


def with_measured(started: Print, healthy: Print) -> Print:
    """RUN_STARTED's payload with the runner's fingerprint, as HEALTH_OK said it first."""
    known, told = started.get("fingerprint", {}), healthy.get("fingerprint")
    if not started or not told or "target" in known:
        return started
    return {**started, "fingerprint": {**told, **known}}


def dataset_differences(one: Print, other: Print) -> list[str]:
    """What differs of two runs' datasets, part by part; a part that neither knows does not."""
    first, second = one.get("dataset", {}), other.get("dataset", {})
    return [told for part in PARTS for told in _told(part, first.get(part), second.get(part))]


def index_differences(one: Print, other: Print) -> list[str]:
    """What differs of the target's content: documents, corpus, and indexes that both have opened."""
    first, second = one.get("indexes", {}), other.get("indexes", {})
    found = _fields(("documents", "corpus_sha256"), one, other)
    both = sorted(first.keys() & second.keys())
    return [*found, *(t for name in both for t in _told(f"index '{name}'", first[name], second[name]))]


def target_differences(one: Print, other: Print) -> list[str]:
    """What differs of what is asked: its name, and the versions that decide its rankings."""
    return _fields(("target", "versions"), one, other)


def start_hash(fingerprint: Print) -> str:
    """What two starts of the same experiment on the same data and plugins have in common."""
    names = ("experiment_sha256", "plan_hash", "dataset", "plugins")
    return sha256_of({name: fingerprint.get(name) for name in names})


def marked(before: Print, runner: Runner) -> dict[str, Any]:
    """What a job says of the index: whether the runner measures what it did at the start, and why not.

    `comparable` is None when the runner cannot say: it may be gone, and its index the same.
    """
    try:
        now = asdict(runner.fingerprint())
    except Exception as error:
        told = f"the runner could not say what it measures: {describe_error(error)['msg']}"
        return {"comparable": None, "not_comparable_because": told}
    told = "; ".join([*target_differences(before, now), *index_differences(before, now)])
    return {"comparable": not told, "not_comparable_because": told}


def measured(fingerprint: Fingerprint | None) -> dict[str, Any]:
    """A runner's fingerprint as a mapping."""
    return asdict(fingerprint) if fingerprint else {}


def _fields(names: Sequence[str], one: Print, other: Print) -> list[str]:
    return [told for name in names for told in _told(name, one.get(name), other.get(name))]


def _told(what: str, one: object, other: object) -> Iterator[str]:
    if one != other:
        yield f"{what}: {_short(one)} and {_short(other)}"


def _short(value: object) -> str:
    text = str(value)
    return f"{text[:12]}…" if len(text) == 64 else text
