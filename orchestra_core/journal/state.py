"""RunState: what is known of a run, as a fold over its events. Keeps no fact of its own."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestra_core.fingerprints import with_measured
from orchestra_core.journal.events import Event, EventType
from orchestra_core.journal.units import LOST, FailedUnit, Step, failed_unit, has_failed, paid, sent
from orchestra_core.journal.words import UNTOLD
from orchestra_core.report import RunStatus

MOST_TOLD = 200
Payload = Mapping[str, Any]
_BEGINNINGS = frozenset({EventType.RUN_STARTED, EventType.RUN_RESUMED})
_ENDINGS: dict[EventType, RunStatus] = {
    EventType.RUN_COMPLETED: "completed",
    EventType.RUN_FAILED: "failed",
    EventType.RUN_CANCELLED: "cancelled",
}


@dataclass
class StageProgress:
    """How far a stage has come."""

    status: str = "running"
    planned: int = 0
    """The most evaluations the stage will make, as far as is known."""
    done: int = 0


@dataclass
class RunState:
    """The fold. Payloads are kept as they stand in the journal; `reporting` gives them types."""

    run_id: str = ""
    status: RunStatus = "running"
    started: Payload = field(default_factory=dict)
    started_at: str = ""
    ended_at: str | None = None
    stage: str = ""
    stages: dict[str, StageProgress] = field(default_factory=dict)
    rungs: list[Payload] = field(default_factory=list)
    rung: int = -1
    leader: str = ""
    """config_id of the grid's best, once the grid is done."""
    regret_bound: float | None = None
    front: list[str] = field(default_factory=list)
    jobs: dict[str, Payload] = field(default_factory=dict)
    decisions: list[Payload] = field(default_factory=list)
    rulings: list[Payload] = field(default_factory=list)
    ids: Payload | None = None
    """How target's and dataset's ids agree, from the smoke test; also where that ended the run."""
    verdict: Payload | None = None
    selected: Payload | None = None
    publication: Payload | None = None
    policies: list[Payload] = field(default_factory=list)
    artifacts: dict[str, str] = field(default_factory=dict)
    """Path → SHA-256 of the content when it was written."""
    plugin_errors: list[Payload] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    retries: int = 0
    requests: int = 0
    cost_usd: float = 0.0
    failures: Counter[str] = field(default_factory=Counter)
    ending: Payload | None = None
    error: Payload | None = None
    last_event_at: str = ""
    last_seq: int = 0
    events: int = 0
    told_events: deque[Event] = field(default_factory=lambda: deque(maxlen=MOST_TOLD))
    """The last ones that people read, up to the ending."""
    told: bool = False
    """Whether artifacts were written after the ending."""
    owner: Payload = field(default_factory=dict)
    """`pid` and `host` of the process that began or resumed the run last."""
    resumed: int = 0
    """How often the run was gone on with."""
    step: Step | None = None
    """The (stage, rung) that has begun and not ended."""
    failed_units: list[FailedUnit] = field(default_factory=list)
    """Units of that step in which a request failed: a resumed run asks them again."""

    def apply(self, event: Event) -> None:
        """Take in one event; unknown ones only count."""
        self.events += 1
        self.run_id = self.run_id or event.run_id
        self.tell(event)
        self.last_event_at, self.last_seq = event.created_at, event.seq
        handler = _HANDLERS.get(event.event_type)
        if handler is not None:
            handler(self, event)

    def tell(self, event: Event) -> None:
        """Keep an event that people read."""
        if event.event_type not in UNTOLD and (not self.ending or event.event_type in _BEGINNINGS):
            self.told_events.append(event)

    def apply_units(
        self, figures: Payload, times: int, cost_usd: float, failed: Iterable[FailedUnit]
    ) -> None:
        """Take in so many ends of units that are alike; with them all units cost `cost_usd`.

        The total, because a sum of sums would differ from the sum of each in the last digit.
        """
        self.events += times
        _count_units(self, figures, times)
        self.cost_usd = cost_usd
        self.failures.update({reason: times * n for reason, n in figures["failures"].items()})
        self.failed_units += failed

    @property
    def lost_events(self) -> int:
        """How many of a journal's numbers were not there when all of it was folded."""
        return max(0, self.last_seq - self.events)

    @property
    def is_finished(self) -> bool:
        """Whether there is nothing left to do; a run stopped by what failed can ask that again."""
        return self.status == "completed" or (self.status == "early_stopped" and not self.failed_units)

    @property
    def best_by_rung(self) -> tuple[float, ...]:
        """The leader's mean objective after each finished rung."""
        return tuple(rung["best_value"] for rung in self.rungs)

    @property
    def grid_evaluations(self) -> int:
        """(configuration, query) pairs asked in the grid so far."""
        return self.stages["grid"].done if "grid" in self.stages else 0

    @property
    def name(self) -> str:
        """The experiment's name."""
        return str(self.started.get("name", ""))


def fold(events: Iterable[Event]) -> RunState:
    """The state after all the events."""
    state = RunState()
    for event in events:
        state.apply(event)
    return state


def _run_started(state: RunState, event: Event) -> None:
    state.run_id = event.run_id
    state.started = event.payload
    state.started_at = event.created_at
    state.owner = event.payload


def _healthy(state: RunState, event: Event) -> None:
    state.started = with_measured(state.started, event.payload)


def _run_resumed(state: RunState, event: Event) -> None:
    state.status, state.ended_at, state.error, state.ending = "running", None, None, None
    state.owner = event.payload
    state.resumed += 1
    for progress in state.stages.values():
        progress.status = "running" if progress.status == "failed" else progress.status
    if state.failed_units:
        _take_back(state)


def _take_back(state: RunState) -> None:
    """The open step's failed units are asked again, so what was said of the step no longer stands."""
    stage, rung = state.step or ("", 0)
    for failed in state.failed_units:
        state.failures.subtract(failed.failures)
        if failed.kind == "evaluate":
            state.stages[stage].done -= failed.requests
    state.failures += Counter()  # drops what came to nothing
    state.failed_units = []
    state.decisions = [d for d in state.decisions if (d["stage"], d["rung"]) != (stage, rung)]
    if stage == "grid":
        state.rungs = [r for r in state.rungs if r["rung"] != rung]
    if stage == "ab":
        state.verdict = None


def _begin_step(state: RunState, step: Step) -> None:
    if state.step != step:
        state.step, state.failed_units = step, []


def _run_ended(state: RunState, event: Event) -> None:
    early = event.payload.get("early_stopped", False)
    state.status = "early_stopped" if early else _ENDINGS[event.event_type]
    state.ended_at = event.created_at
    state.ending, state.told = event.payload, False
    state.error = event.payload.get("error")
    state.ids = ((state.error or {}).get("details") or {}).get("ids", state.ids)


def _stage_started(state: RunState, event: Event) -> None:
    state.stage = _stage_of(event)
    state.stages[state.stage] = StageProgress(planned=event.payload.get("evaluations", 0))
    _begin_step(state, (state.stage, 0))


def _stage_done(state: RunState, event: Event) -> None:
    stage = _stage_of(event)
    state.stages.setdefault(stage, StageProgress()).status = "done"
    state.step, state.failed_units = None, []
    if stage == "smoke":
        state.ids = event.payload.get("overlap")
    if stage == "grid":
        state.leader = event.payload["leader"]
        state.regret_bound = event.payload.get("regret_bound")
        state.front = event.payload.get("front", [])
    if stage == "select":
        state.selected = event.payload
    if stage == "publish":
        state.publication = event.payload
    state.warnings += event.payload.get("warnings", [])


def _stage_failed(state: RunState, event: Event) -> None:
    progress = state.stages.setdefault(_stage_of(event), StageProgress())
    if progress.status != "done":  # it may be gone through again, and fail on the way
        progress.status = "failed"


def _rung_started(state: RunState, event: Event) -> None:
    state.rung = event.payload["rung"]
    _begin_step(state, ("grid", state.rung))


def _unit(state: RunState, event: Event) -> None:
    payload = event.payload
    _count_units(state, payload, 1)
    if cost := paid(payload):
        state.cost_usd += cost
    if failures := payload.get("failures"):
        state.failures.update(failures)
        if has_failed(payload):
            state.failed_units.append(failed_unit(event))


def _count_units(state: RunState, payload: Payload, times: int) -> None:
    _begin_step(state, (payload["stage"], payload["rung"]))
    state.requests += times * sent(payload)
    if payload["kind"] == "evaluate":
        progress = state.stages.setdefault(payload["stage"], StageProgress())
        progress.done += times * payload["requests"]


def _unit_lost(state: RunState, event: Event) -> None:
    """What it cost stays spent; what it said is asked again."""
    payload = event.payload
    state.failures.subtract(payload["failures"])
    state.failures += Counter()
    if payload["kind"] == "evaluate":
        state.stages[payload["stage"]].done -= payload["requests"]
    state.warnings += [] if LOST in state.warnings else [LOST]


def _policy(state: RunState, event: Event) -> None:
    told = {"event_type": event.event_type.value, "created_at": event.created_at}
    state.policies.append({**told, **event.payload})


def _artifact(state: RunState, event: Event) -> None:
    state.artifacts[event.payload["path"]] = event.payload["sha256"]
    state.told = state.ending is not None


def _job(state: RunState, event: Event) -> None:
    state.jobs[event.payload["job_id"]] = event.payload


def _verdict(state: RunState, event: Event) -> None:
    state.verdict = event.payload


def _retry(state: RunState, _event: Event) -> None:
    state.retries += 1


def _stage_of(event: Event) -> str:
    return event.event_type.partition("_")[0].lower()


_HANDLERS: dict[EventType, Callable[[RunState, Event], None]] = {
    EventType.RUN_STARTED: _run_started,
    EventType.RUN_RESUMED: _run_resumed,
    EventType.HEALTH_OK: _healthy,
    **dict.fromkeys(_ENDINGS, _run_ended),
    **{EventType(f"{s}_STARTED"): _stage_started for s in ("SMOKE", "GRID", "AB", "SELECT", "PUBLISH")},
    **{EventType(f"{s}_DONE"): _stage_done for s in ("SMOKE", "GRID", "AB", "SELECT", "PUBLISH")},
    **{EventType(f"{s}_FAILED"): _stage_failed for s in ("SMOKE", "GRID", "AB", "SELECT", "PUBLISH")},
    EventType.GRID_RUNG_STARTED: _rung_started,
    EventType.GRID_RUNG_DONE: lambda state, event: state.rungs.append(event.payload),
    EventType.UNIT_DONE: _unit,
    EventType.UNIT_FAILED: _unit,
    EventType.UNIT_LOST: _unit_lost,
    EventType.JOB_DONE: _job,
    EventType.JOB_FAILED: _job,
    EventType.REFLECTION_DECISION: lambda state, event: state.decisions.append(event.payload),
    EventType.GUARD_RULING: lambda state, event: state.rulings.append(event.payload),
    EventType.VERDICT: _verdict,
    EventType.POLICY_INTENT: _policy,
    EventType.POLICY_APPLIED: _policy,
    EventType.POLICY_ROLLED_BACK: _policy,
    EventType.ARTIFACT_WRITTEN: _artifact,
    EventType.PLUGIN_ERROR: lambda state, event: state.plugin_errors.append(event.payload),
    EventType.RETRY: _retry,
}
