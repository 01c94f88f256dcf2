"""What the run page shows, made from a run's fold and the events that people want to read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from orchestra_core.journal.events import Event, EventType
from orchestra_core.journal.state import RunState
from orchestra_core.journal.words import describe
from orchestra_core.page.chart import Chart, pareto_chart
from orchestra_core.page.intervals import DifferenceRow, difference_rows
from orchestra_core.report import Decision, Report, Rung
from orchestra_core.telling.ranking import ranked
from orchestra_core.telling.story import STAYS, verdict_line

STAGES = ("smoke", "grid", "ab", "select", "publish")
SHOWN_METRICS = (
    "ndcg@10",
    "mrr@10",
    "p50_ms",
    "p95_ms",
    "p99_ms",
    "cost_per_query",
    "count",
    "failures",
)
MOST_EVENTS = 200
UNTOLD = frozenset(
    {EventType.UNIT_STARTED, EventType.UNIT_DONE, EventType.JOB_DONE, EventType.ARTIFACT_WRITTEN}
)
"""So many of them that they would hide the others."""
_ENDINGS = frozenset({EventType.RUN_COMPLETED, EventType.RUN_FAILED, EventType.RUN_CANCELLED})

Link = Callable[[str], str]
"""From a path relative to the home folder to where a browser finds it."""


@dataclass(frozen=True)
class StageView:
    """One stage's bar."""

    name: str
    status: str
    """`waiting`, `running`, `done` or `failed`."""
    done: int
    planned: int
    note: str = ""

    @property
    def share(self) -> float:
        """0..1."""
        if self.status == "done":
            return 1.0
        return min(1.0, self.done / self.planned) if self.planned else 0.0


@dataclass(frozen=True)
class RungView:
    """One rung of the race, with what reflection said of it."""

    rung: Rung
    decisions: tuple[Decision, ...]

    @property
    def dropped(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """(why, config_ids) for each kind of drop that happened."""
        kinds = (
            ("beaten beyond doubt", self.rung.dropped_certain),
            ("as good as one that stays, and no cheaper", self.rung.dropped_equivalent),
            ("to keep the budget", self.rung.dropped_forced),
        )
        return tuple((why, config_ids) for why, config_ids in kinds if config_ids)


@dataclass(frozen=True)
class RunPage:
    """Everything the template needs."""

    run_id: str
    status: str
    mode: str
    opening: str
    """The verdict in a word or two, or what the run is doing."""
    reason: str
    report: Report | None
    """None before the run has begun."""
    stages: tuple[StageView, ...] = ()
    chart: Chart | None = None
    rungs: tuple[RungView, ...] = ()
    differences: tuple[DifferenceRow, ...] = ()
    rows: tuple[dict[str, Any], ...] = ()
    """Every configuration, the best first, as the script and the table take it."""
    events: tuple[Mapping[str, Any], ...] = ()
    artifacts: tuple[tuple[str, str], ...] = ()
    """(path, link)."""
    error: Mapping[str, Any] | None = None
    queue_position: int | None = None
    last_seq: int = 0
    live: bool = False
    """Whether more is to come."""


@dataclass(frozen=True)
class Told:
    """What the journal tells beyond the report."""

    stages: tuple[StageView, ...] = ()
    events: tuple[Mapping[str, Any], ...] = ()
    mode: str = "full"


def page_of(
    report: Report,
    link: Link,
    told: Told,
    *,
    status: str | None = None,
    live: bool = False,
    last_seq: int = 0,
    error: Mapping[str, Any] | None = None,
    artifacts: Iterable[str] = (),
) -> RunPage:
    """The page of a run that has begun."""
    opening, reason = verdict_line(report)
    if report.verdict is not None and not reason:
        reason = STAYS.get(report.verdict.kind, "")
    return RunPage(
        run_id=report.run_id,
        status=status or report.status,
        mode=told.mode,
        opening=opening,
        reason=reason,
        report=report,
        stages=told.stages,
        chart=pareto_chart(report),
        rungs=_rungs(report),
        differences=difference_rows(report.verdict) if report.verdict else (),
        rows=_rows(report, link),
        events=told.events,
        artifacts=tuple((path, link(path)) for path in artifacts),
        error=error or report.error,
        last_seq=last_seq,
        live=live,
    )


def stages_of(state: RunState, *, ended: bool) -> tuple[StageView, ...]:
    """A bar for each stage of the plan; `ended`: whether nothing more will come."""
    planned = [stage["name"] for stage in state.started.get("plan", {}).get("stages", ())]
    return tuple(_stage(state, name, ended=ended) for name in planned if name in STAGES)


def told_by(journal: Iterable[Event]) -> Told:
    """Stages, and the events that people read, without what came after the run's last ending."""
    state, read, kept = RunState(), [], 0
    for event in journal:
        state.apply(event)
        if event.event_type not in UNTOLD:
            read.append(brief_event(event, state))
        if event.event_type in _ENDINGS:
            kept = len(read)
    events = tuple(read[:kept] if kept else read)[-MOST_EVENTS:]
    return Told(stages_of(state, ended=state.ended_at is not None), events, mode_of(state))


def brief_event(event: Event, state: RunState) -> dict[str, Any]:
    """One event without its payload, and with what it says in words."""
    return {
        "seq": event.seq,
        "event_type": event.event_type.value,
        "created_at": event.created_at,
        "message": describe(event, state),
    }


def mode_of(state: RunState) -> str:
    """How far the plan goes, in the service's words: `full`, `ab`, `grid` or `smoke`."""
    stages = state.started.get("plan", {}).get("stages") or [{"name": "publish"}]
    last = str(stages[-1]["name"])
    return last if last in {"smoke", "grid", "ab"} else "full"


def _stage(state: RunState, name: str, *, ended: bool) -> StageView:
    progress = state.stages.get(name)
    if progress is None:
        return StageView(name, "not reached" if ended else "waiting", 0, 0)
    note = ""
    if name == "grid" and state.rung >= 0:
        rungs = next(s["rungs"] for s in state.started["plan"]["stages"] if s["name"] == "grid")
        note = f"rung {state.rung + 1} of {len(rungs)}"
    told = "stopped" if progress.status == "running" and ended else progress.status
    return StageView(name, told, progress.done, progress.planned, note)


def _rungs(report: Report) -> tuple[RungView, ...]:
    grid = [decision for decision in report.decisions if decision.stage == "grid"]
    return tuple(RungView(rung, tuple(d for d in grid if d.rung == rung.rung)) for rung in report.rungs)


def _rows(report: Report, link: Link) -> tuple[dict[str, Any], ...]:
    jobs = {(job.stage, job.config_id): job for job in report.jobs}
    objective = report.objective.maximize
    kept = tuple(dict.fromkeys((objective, *SHOWN_METRICS)))
    rows = []
    for candidate in ranked(report):
        name = candidate.config_id
        found = [jobs[stage, name] for stage in ("grid", "ab", "smoke") if (stage, name) in jobs]
        rows.append(
            {
                "config_id": name,
                "parameters": candidate.parameters,
                "metrics": {key: candidate.metrics.get(key) for key in kept},
                "baseline": name == report.baseline.config_id,
                "dropped": candidate.dropped_in_rung,
                "drop": candidate.drop,
                "jobs": [
                    {
                        "stage": job.stage,
                        "job_id": job.job_id,
                        "status": job.status,
                        "metrics": {key: job.metrics.get(key) for key in kept},
                        "failures": job.failures_by_reason,
                        "files": {file: link(f"{job.path}/{file}") for file in job.files},
                    }
                    for job in found
                ],
            }
        )
    return tuple(rows)
