"""What the run page shows, made from a run's report."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from orchestra_core.course import StageSummary, ToldEvent
from orchestra_core.page.chart import Chart, pareto_chart
from orchestra_core.page.intervals import DifferenceRow, difference_rows
from orchestra_core.report import Decision, Report, Rung
from orchestra_core.telling.ranking import ranked
from orchestra_core.telling.story import STAYS, verdict_line

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
    events: tuple[ToldEvent, ...] = ()
    artifacts: tuple[tuple[str, str], ...] = ()
    """(what is shown, where a browser finds it)."""
    error: Mapping[str, Any] | None = None
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
    artifacts: Iterable[tuple[str, str]] = (),
) -> RunPage:
    """The page of a run that has begun."""
    opening, reason = verdict_line(report)
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
        differences=difference_rows(report.verdict) if report.verdict else (),
        rows=_rows(report, link),
        events=report.events,
        artifacts=tuple(artifacts),
        error=error or report.error,
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
