"""What the run page shows, made from a run's report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from orchestra_core.course import StageSummary, ToldEvent
from orchestra_core.page.chart import Chart, pareto_chart
from orchestra_core.page.intervals import DifferenceRow, difference_rows
from orchestra_core.report import Candidate, Decision, JobSummary, Report, Rung
from orchestra_core.telling.prospects import told_prospects
from orchestra_core.telling.ranking import raced, ranked
from orchestra_core.telling.story import DROPS, STAYS, verdict_line
from orchestra_core.telling.units import unit_of, with_unit

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

    @property
    def extent(self) -> str:
        """How much was asked, in words; empty where nothing is."""
        if not (self.done or self.planned):
            return ""
        at_most = self.status == "running" and self.planned >= self.done and self.planned
        return f"{self.done:,}{f' of at most {self.planned:,}' if at_most else ''} evaluations"


@dataclass(frozen=True)
class Said:
    """A decision of reflection, and whether it was followed."""

    decision: Decision
    followed: bool
    """False: a more severe one came with it, or the others left nobody."""


@dataclass(frozen=True)
class RungView:
    """One rung of the race, with what reflection said of it."""

    rung: Rung
    said: tuple[Said, ...]

    @property
    def dropped(self) -> tuple[tuple[str, tuple[str, ...]], ...]:
        """(why, config_ids) for each kind of drop that happened."""
        kinds = (
            (DROPS["certain"], self.rung.dropped_certain),
            (DROPS["equivalent"], self.rung.dropped_equivalent),
            (DROPS["forced"], self.rung.dropped_forced),
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
    said: tuple[Said, ...] = ()
    """Every decision of reflection."""
    asked: str = ""
    """How much of the full grid was asked; empty while nothing was."""
    differences: tuple[DifferenceRow, ...] = ()
    prospects: tuple[str, ...] = ()
    """What an undecided verdict says of more queries."""
    rows: tuple[dict[str, Any], ...] = ()
    """Every configuration, the best first, as the script and the table take it."""
    events: tuple[ToldEvent, ...] = ()
    artifacts: tuple[tuple[str, str], ...] = ()
    """(what is shown, where a browser finds it)."""
    error: Mapping[str, Any] | None = None
    """What went wrong; a run that its user ended has nothing here."""
    damage: Mapping[str, Any] | None = None
    """What the journal has lost: everything else here may differ from what was."""
    hint: str = ""
    """What can be done about a run that its user ended."""
    offers: str = ""
    """What a click can do with the run: `cancel` or `resume`; or empty."""
    queue_position: int | None = None
    last_seq: int = 0
    live: bool = False
    """Whether more is to come."""


def page_of(
    report: Report,
    link: Link,
    *,
    status: str | None = None,
    live: bool = False,
    last_seq: int = 0,
    error: Mapping[str, Any] | None = None,
    offers: str = "",
    artifacts: Iterable[tuple[str, str]] = (),
) -> RunPage:
    """The page of a run that has begun. `error`: what is known beyond the report."""
    opening, reason = verdict_line(report, status or "")
    own = report.error or {}
    ended_by_user = report.status == "cancelled"
    error = error or (None if ended_by_user else report.error)
    if report.verdict is None and error:
        reason = ""  # the error says it
    if report.verdict is not None and not reason:
        reason = STAYS.get(report.verdict.kind, "")
    return RunPage(
        run_id=report.run_id,
        status=status or report.status,
        mode=mode_of(report),
        opening=opening,
        reason=reason,
        report=report,
        stages=_stages(report, ended=not live),
        chart=pareto_chart(report),
        rungs=_rungs(report),
        said=_said(report),
        asked=_asked(report),
        differences=difference_rows(report.verdict) if report.verdict else (),
        prospects=tuple(told_prospects(report.verdict)) if report.verdict else (),
        rows=_rows(report, link),
        events=report.events,
        artifacts=tuple(artifacts),
        error=error,
        hint=str(own.get("hint", "")) if ended_by_user and not offers else "",
        offers=offers,
        last_seq=last_seq,
        live=live,
    )


def mode_of(report: Report) -> str:
    """How far the plan goes, in the service's words: `full`, `ab`, `grid` or `smoke`."""
    last = report.stages[-1].name if report.stages else "publish"
    return last if last in {"smoke", "grid", "ab"} else "full"


def _stages(report: Report, *, ended: bool) -> tuple[StageView, ...]:
    return tuple(_stage(report, stage, ended=ended) for stage in report.stages)


def _stage(report: Report, stage: StageSummary, *, ended: bool) -> StageView:
    rungs = len(report.rungs) if stage.name == "grid" else 0
    note = f"{rungs} {'rung' if rungs == 1 else 'rungs'} done" if rungs else ""
    waits = {"waiting": "not reached", "running": "stopped"} if ended else {}
    return StageView(stage.name, waits.get(stage.status, stage.status), stage.done, stage.planned, note)


def _rungs(report: Report) -> tuple[RungView, ...]:
    grid = [one for one in _said(report) if one.decision.stage == "grid"]
    return tuple(
        RungView(rung, tuple(one for one in grid if one.decision.rung == rung.rung))
        for rung in report.rungs
    )


def _said(report: Report) -> tuple[Said, ...]:
    survivors = {rung.rung: set(rung.survivors) for rung in report.rungs}
    return tuple(
        Said(
            decision,
            decision.kind != "shrink"
            or decision.stage != "grid"
            or survivors.get(decision.rung, set()) <= set(decision.survivors),
        )
        for decision in report.decisions
    )


def _asked(report: Report) -> str:
    """The rung that runs counts too."""
    done = sum(stage.done for stage in report.stages if stage.name == "grid")
    done = max(report.evaluations, done)
    if not done or not report.evaluations_full:
        return ""
    share = 100 * done / report.evaluations_full
    told = f"{share:.1f}%" if share >= 0.1 else "less than 0.1%"
    return f"{told} ({done:,} of {report.evaluations_full:,})"


def _rows(report: Report, link: Link) -> tuple[dict[str, Any], ...]:
    jobs = {(job.stage, job.config_id): job for job in report.jobs}
    kept = tuple(dict.fromkeys((report.objective.maximize, *SHOWN_METRICS)))
    rows = []
    for candidate in ranked(report):
        name = candidate.config_id
        found = [jobs[stage, name] for stage in ("grid", "ab", "smoke") if (stage, name) in jobs]
        rows.append(
            {
                "config_id": name,
                "parameters": {key: str(value) for key, value in candidate.parameters.items()},
                "metrics": {key: candidate.metrics.get(key) for key in kept},
                "figures": _figures(candidate.metrics, kept),
                "baseline": name == report.baseline.config_id,
                "outside": not raced(candidate, report),
                "left": _left(candidate),
                "jobs": [_job(job, kept, link) for job in found],
            }
        )
    return tuple(rows)


def _job(job: JobSummary, kept: Iterable[str], link: Link) -> dict[str, Any]:
    return {
        "stage": job.stage,
        "job_id": job.job_id,
        "status": job.status,
        "figures": _figures(job.metrics, kept),
        "failures": job.failures_by_reason,
        "files": {file: link(f"{job.path}/{file}") for file in job.files},
    }


def _figures(metrics: Mapping[str, float | None], kept: Iterable[str]) -> dict[str, str]:
    """What was measured, as people read it: `queries` is the number that the others rest on."""
    known = {key: value for key in kept if (value := metrics.get(key)) is not None}
    return {
        "queries" if key == "count" else key: with_unit(value, unit_of(key)).removesuffix(" count")
        for key, value in known.items()
    }


def _left(candidate: Candidate) -> str:
    """When a configuration left the race, and why; empty when it did not."""
    if candidate.dropped_in_rung is None:
        return ""
    why = f": {DROPS[candidate.drop]}" if candidate.drop else ""
    return f"rung {candidate.dropped_in_rung + 1}{why}"
