"""From a request's body to the experiment's layers. Pure: no plugin, no file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from orchestra_core.errors import ExperimentError, nearest
from orchestra_core.experiment import Experiment
from orchestra_core.layers import KeyPath, Layers
from orchestra_core.plan import StageName
from orchestra_core.service.errors import Forbidden
from orchestra_core.service.models import Mode, Overrides, Preset, RunBody, Samples

Patch = tuple[tuple[str, ...], Any, str]
"""Key path, value, and which part of the body it comes from."""
UNTIL: Mapping[Mode, StageName | None] = {"full": None, "smoke": "smoke", "grid": "grid", "ab": "ab"}
PRESETS: Mapping[Preset, Mapping[tuple[str, ...], Any]] = {
    "quick": {
        ("stages", "smoke", "sample"): 20,
        ("stages", "grid", "sample"): 50,
        ("stages", "grid", "budget"): 0.1,
        ("stages", "ab", "sample"): 100,
    },
    "standard": {
        ("stages", "smoke", "sample"): 50,
        ("stages", "grid", "sample"): 100,
        ("stages", "grid", "budget"): 0.15,
        ("stages", "ab", "sample"): 200,
    },
    "thorough": {
        ("stages", "smoke", "sample"): 50,
        ("stages", "grid", "sample"): 150,
        ("stages", "grid", "budget"): 0.15,
        ("stages", "ab", "sample"): 300,
    },
}
PARAMETERS = ("top_k", "mmr", "ef_search", "alpha")
OWN_SECTIONS = frozenset({"runner", "plugins", "paths"})
"""Sections that decide which programs run and which hosts and files are touched."""


def base_layers(body: RunBody, own: Layers, *, trusted: bool) -> Layers:
    """The service's own layers, or the body's whole experiment with the service's own sections.

    Raises Forbidden when the experiment sets what is the service's to set and is not `trusted`.
    """
    if body.experiment is None:
        return own
    origins: dict[KeyPath, str] = {(key,): "experiment" for key in body.experiment}
    if trusted:
        return Layers().with_layer(body.experiment, origins)
    if taken := OWN_SECTIONS & body.experiment.keys():
        listed = ", ".join(sorted(taken))
        raise Forbidden(
            f"the experiment sets {listed}, which only the service's own experiment may",
            hint="Leave it out, or start the service with --trust-experiments.",
        )
    kept = {key: value for key in OWN_SECTIONS if (value := own.get(key)) is not None}
    return Layers().with_layer({**kept, **body.experiment}, origins)


def patches(body: RunBody, experiment: Experiment) -> Iterator[Patch]:
    """What the body changes in a complete experiment. Raises ExperimentError."""
    if body.collection is not None:
        yield from _collection(body.collection, experiment)
    if body.preset is not None:
        for path, value in PRESETS[body.preset].items():
            yield path, value, f"preset {body.preset}"
    yield from _overrides(body.overrides, body, experiment)


def check_limits(asked: Experiment, own: Experiment) -> None:
    """A request may lower the service's limits, not raise them. Raises ExperimentError."""
    for name in type(own.limits).model_fields:
        most, wanted = getattr(own.limits, name), getattr(asked.limits, name)
        if wanted is None:  # a stage without a limit of its own may take what the run may
            wanted = asked.limits.wall
        if most is not None and wanted > most:
            raise ExperimentError(
                f"{wanted:g} is more than the service allows",
                where=f"experiment.limits.{name}",
                hint=f"Ask for {most:g} or less.",
            )


def check_dataset(asked: Experiment, own: Experiment) -> None:
    """Only datasets by name, or those that the service's own experiment has. Raises Forbidden."""
    known = {own.dataset, *(c.dataset for c in own.collections.values())}
    if ":" in asked.dataset and asked.dataset not in known:
        raise Forbidden(
            "a request may name an installed dataset, not a path or a catalogue's id",
            hint="Declare it in the service's experiment, or start it with --trust-experiments.",
        )


def _collection(name: str, experiment: Experiment) -> Iterator[Patch]:
    declared = experiment.collections.get(name)
    if declared is None:
        raise ExperimentError(
            f"no collection is called '{name}'",
            where="collection",
            hint=f"{nearest(name, experiment.collections)} Declare it under `collections:`.".strip(),
        )
    if declared.dataset is not None:
        yield ("dataset",), declared.dataset, "collection"
    # The others may be of another dataset, and nothing refers to them any more.
    yield ("collections",), {name: declared.model_dump()}, "collection"
    yield ("space", "collection"), [name], "collection"
    yield ("baseline", "collection"), name, "collection"


def _overrides(overrides: Overrides, body: RunBody, experiment: Experiment) -> Iterator[Patch]:
    for name in PARAMETERS:
        value = getattr(overrides, name)
        if value is not None:
            values = value if isinstance(value, list) else [value]
            yield ("space", name), values, f"overrides.{name}"
    if overrides.concurrency is not None:
        yield ("concurrency",), overrides.concurrency, "overrides.concurrency"
    for stage, sample in _samples(overrides, body, experiment).items():
        yield ("stages", stage, "sample"), sample, "overrides.sample"


def _samples(overrides: Overrides, body: RunBody, experiment: Experiment) -> dict[str, int]:
    sample = overrides.sample
    if isinstance(sample, Samples):
        return {name: size for name, size in sample.model_dump().items() if size is not None}
    if sample is None:
        return {}
    preset = PRESETS[body.preset] if body.preset else {}
    own = preset.get(("stages", "smoke", "sample"), experiment.stages.smoke.sample)
    return {"smoke": sample if body.mode == "smoke" else min(sample, own), "grid": sample}
