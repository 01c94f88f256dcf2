"""The target itself: what it is, its health, a trial of five queries. The only part that asks it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from orchestra_core.builtin.limits_guard import DEPTH
from orchestra_core.datasets import Dataset
from orchestra_core.diagnosing.findings import Diagnosis, Status
from orchestra_core.errors import HealthFailed, RequestFailed, TargetError
from orchestra_core.evaluation.ids import aligned, both_sides, nothing_found
from orchestra_core.evaluation.jobs import AGGREGATE_ONLY
from orchestra_core.observation import Observation, Unit, most_frequent
from orchestra_core.plan import Configuration, Plan
from orchestra_core.runner import Health, Runner
from orchestra_core.scheduling.health import ask
from orchestra_core.scheduling.limits import within
from orchestra_core.scheduling.units import evaluator, failed_observations
from orchestra_core.session import Session
from orchestra_core.telling.units import counted

TRIAL = 5
"""Tuning queries; those kept for confirmation are not touched."""
_AREA, _TRIAL = "target", "trial"
SKIPPED = ((_AREA, "health"), (_TRIAL, "queries"), (_TRIAL, "ids"))


@dataclass
class _Noise:
    """What the runner records meanwhile."""

    events: list[tuple[str, Mapping[str, Any]]] = field(default_factory=list)

    def emit(self, event_type: str, payload: Mapping[str, Any]) -> None:
        """Take an event that would be the journal's."""
        self.events.append((event_type, dict(payload)))


def tell_target(found: Diagnosis, session: Session, dataset: Dataset, plan: Plan) -> None:
    """Open the runner as a run would, then ask its health, then five queries of the baseline."""
    noise = _Noise()
    with TemporaryDirectory(prefix="orchestra-diag-") as folder:
        runner = None
        with found.noting(_AREA, "runner"):
            runner = session.open_runner(_quick(plan), dataset, noise.emit, runs_dir=Path(folder))
        if runner is None:
            found.skip("the runner is not open", *SKIPPED)
            return
        try:
            _tell_open(found, runner, dataset, plan)
        finally:
            with found.noting(_AREA, "close"):
                runner.close()
    _tell_noise(found, noise)


def _quick(plan: Plan) -> Plan:
    """The plan with little patience: who asks for a diagnosis waits for it."""
    section = plan.experiment.runner
    patience = {
        "max_retries": min(section.max_retries, 1),
        "backoff_s": min(section.backoff_s, 0.5),
    }
    runner = section.model_copy(update=patience)
    return plan.model_copy(update={"experiment": plan.experiment.model_copy(update={"runner": runner})})


def _tell_open(found: Diagnosis, runner: Runner, dataset: Dataset, plan: Plan) -> None:
    seconds = plan.experiment.unit_timeout_s
    with found.noting(_AREA, "fingerprint"):
        told = within(seconds, runner.fingerprint)
        documents = f", {counted(told.documents, 'document')}" if told.documents else ""
        found.add(_AREA, "fingerprint", "ok", f"{told.target}{documents}")
    health = Health(ok=False)
    with found.noting(_AREA, "health"):
        health = within(seconds, partial(ask, runner))
        _tell_health(found, health)
    if not health.ok:
        found.skip("the target is not well", *SKIPPED[1:])
        return
    _tell_trial(found, runner, dataset, plan)


def _tell_health(found: Diagnosis, health: Health) -> None:
    """A row per endpoint where the runner tells them apart, and one for all of it."""
    hint, failed = health.hint or "Look at the target's own log.", False
    for endpoint, said in health.details.items():
        if not (isinstance(said, Mapping) and (endpoint.startswith("/") or "://" in endpoint)):
            continue
        if "type" not in said:
            _tell_endpoint(found, endpoint, said)
            continue
        with found.noting(_AREA, endpoint):  # the hint for the first one is the best that is known
            told = str(said.get("hint") or hint) if failed else hint
            failed = True
            raise RequestFailed(str(said["type"]), str(said.get("msg", said["type"])), hint=told)
    if health.ok:
        found.add(_AREA, "health", "ok", health.message or "well", details=health.details)
    elif not failed:
        message = health.message or "the target is not usable"
        raise HealthFailed(message, hint=hint, details=health.details)


def _tell_endpoint(found: Diagnosis, endpoint: str, said: Mapping[str, Any]) -> None:
    """A row for what `outbound.health.check_endpoints` says, or a runner in the same form."""
    milliseconds = said.get("latency_ms")
    took = f", {milliseconds:.3g} ms" if isinstance(milliseconds, int | float) else ""
    found.add(_AREA, endpoint, "ok", f"answered {said.get('status', 'well')}{took}")


def _tell_trial(found: Diagnosis, runner: Runner, dataset: Dataset, plan: Plan) -> None:
    smoke = next((stage.query_ids for stage in plan.stages if stage.name == "smoke"), ())
    query_ids = (smoke or plan.tuning)[:TRIAL]
    queries = {query.query_id: query for query in dataset.judged_queries()}
    unit = Unit("diag", 0, (plan.baseline.config_id,), tuple(query_ids))
    with found.noting(_TRIAL, "queries"):
        result = within(plan.experiment.unit_timeout_s, partial(evaluator(runner, plan, queries), unit))
        seen = result.observations or failed_observations(result)
        hint = str((result.error or {}).get("hint", ""))
        if _tell_answers(found, plan.baseline.config_id, seen, dataset, hint):
            _tell_ids(found, seen, dataset)
            _tell_order(found, seen, plan.baseline)
            return
    found.skip("no query was answered", (_TRIAL, "ids"))


def _tell_answers(
    found: Diagnosis, config_id: str, seen: Sequence[Observation], dataset: Dataset, hint: str
) -> bool:
    """Whether any query was answered. Raises TargetError when none was."""
    failures = [o.failure for o in seen if o.failure is not None]
    details = {"config_id": config_id, "queries": [_example(o, dataset) for o in seen]}
    answered = len(seen) - len(failures)
    told = f"{answered} of {counted(len(seen), 'query', 'queries')} answered by {config_id}"
    hint = hint or next((f.hint for f in failures if f.hint), "Look at the target's own log.")
    if not answered:
        message = f"{told}. {most_frequent(failures)}"
        raise TargetError(message, hint=hint, details=details)
    timed = [o.latency_ms for o in seen if o.failure is None and o.latency_ms is not None]
    told += f", median {median(timed):.3g} ms" if timed else ""
    if failures:
        found.add(_TRIAL, "queries", "warn", f"{told}. {most_frequent(failures)}", hint, details)
    else:
        found.add(_TRIAL, "queries", "ok", told, details=details)
    return True


def _example(seen: Observation, dataset: Dataset) -> dict[str, Any]:
    """What came back for one query, beside what the dataset calls relevant."""
    relevant = [d for d, grade in dataset.qrels.get(seen.query_id, {}).items() if grade > 0]
    return {
        "query_id": seen.query_id,
        "retrieved": list(seen.ranking[:3]),
        "relevant": relevant[:3],
        "relevant_found": len(set(relevant) & set(seen.ranking)),
        "failure": seen.failure and seen.failure.reason,
    }


def _tell_ids(found: Diagnosis, seen: Sequence[Observation], dataset: Dataset) -> None:
    with found.noting(_TRIAL, "ids"):
        retrieved = {document_id for one in seen for document_id in one.ranking}
        if not retrieved and any(one.reported for one in seen):
            found.add(_TRIAL, "ids", "warn", AGGREGATE_ONLY, "Let the program write its rankings.")
        elif not retrieved:
            raise nothing_found(len(seen))
        else:
            overlap = aligned(retrieved, dataset)
            share = f"{overlap.share or 0.0:.0%} of {counted(len(retrieved), 'id')} are in the corpus"
            whole = (overlap.share or 0.0) > 0.5
            hint = "" if whole else "Is it an index of another version of the dataset?"
            details = overlap.model_dump(mode="json")
            status: Status = "ok" if whole else "warn"
            found.add(_TRIAL, "ids", status, f"{share}: {both_sides(overlap)}", hint, details)


def _tell_order(found: Diagnosis, seen: Sequence[Observation], asked: Configuration) -> None:
    """What an answer says against itself: scores that rise, more documents than were asked for."""
    rising = sum(list(o.scores) != sorted(o.scores, reverse=True) for o in seen)
    if rising:
        told = f"scores rise with the rank in {rising} of {counted(len(seen), 'answer')}"
        hint = "Rankings are read best first: reverse them in the mapping, or map no score."
        found.add(_TRIAL, "scores", "warn", told, hint)
    depth = asked.parameters.get(DEPTH)
    longest = max((len(o.ranking) for o in seen), default=0)
    if isinstance(depth, int) and longest > depth:
        told = f"up to {longest} documents were returned where {DEPTH} is {depth}"
        found.add(_TRIAL, "depth", "warn", told, f"Does the target heed {DEPTH}?")


def _tell_noise(found: Diagnosis, noise: _Noise) -> None:
    kinds = Counter(kind for kind, _ in noise.events)
    used = [(p["raw"], p["resolved"]) for kind, p in noise.events if kind == "ALIAS_APPLIED"]
    for raw, resolved in dict.fromkeys(used):
        found.add(_AREA, "alias", "ok", f"{raw} was asked at {resolved}")
    if kinds["RETRY"]:
        last = next(p for k, p in reversed(noise.events) if k == "RETRY").get("error", {})
        told = f"{counted(kinds['RETRY'], 'request')} had to be repeated: {last.get('msg', '')}"
        found.add(_AREA, "retries", "warn", told, str(last.get("hint", "")))
