"""From the fold to the report: the typed view that reporters, CLI and service tell the story from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import asdict

from orchestra_core.course import StageSummary, ToldEvent
from orchestra_core.errors import RunNotFound
from orchestra_core.journal.sameness import warnings_of
from orchestra_core.journal.state import RunState
from orchestra_core.journal.words import describe
from orchestra_core.plan import Plan, StagePlan
from orchestra_core.report import (
    Candidate,
    Decision,
    Drop,
    IdOverlap,
    JobSummary,
    PluginRecord,
    Report,
    Ruling,
    Rung,
    Verdict,
    Winner,
)
from orchestra_core.telling.units import counted


def plan_of(state: RunState) -> Plan:
    """The plan that the run was started with. Raises RunNotFound when the journal has no start."""
    if "plan" not in state.started:
        raise RunNotFound(
            "the journal's first line is missing or damaged, so the plan is not known",
            where=state.run_id,
            hint="Restore the journal from a copy; the rest of it is readable with `orchestra events`.",
        )
    return Plan.model_validate(state.started["plan"], strict=False)


def build_report(state: RunState) -> Report:
    """The report of a run, finished or not. Raises RunNotFound when it never began."""
    plan = plan_of(state)
    jobs = tuple(JobSummary.model_validate(job, strict=False) for job in state.jobs.values())
    rungs = tuple(Rung.model_validate(rung, strict=False) for rung in state.rungs)
    publication = state.publication or {}
    winner = (state.selected or {}).get("winner")
    grid = next((stage for stage in plan.stages if stage.name == "grid"), StagePlan(name="grid"))
    return Report(
        run_id=state.run_id,
        name=state.name,
        status=state.status,
        started_at=state.started_at,
        ended_at=state.ended_at,
        dataset=plan.dataset,
        plan_hash=plan.plan_hash,
        objective=plan.experiment.objective,
        fingerprint=dict(state.started.get("fingerprint", {})),
        plugins=tuple(
            PluginRecord.model_validate(p, strict=False) for p in state.started.get("plugins", ())
        ),
        baseline=_baseline(plan, jobs),
        candidates=_candidates(plan, jobs, rungs),
        jobs=jobs,
        rungs=rungs,
        ids=IdOverlap.model_validate(state.ids, strict=False) if state.ids else None,
        decisions=tuple(Decision.model_validate(d, strict=False) for d in state.decisions),
        rulings=tuple(Ruling.model_validate(r, strict=False) for r in state.rulings),
        verdict=Verdict.model_validate(state.verdict, strict=False) if state.verdict else None,
        winner=Winner.model_validate(winner, strict=False) if winner else None,
        published=bool(publication.get("published", False)),
        not_published_because=_why_not(state),
        evaluations=sum(rung.evaluations for rung in rungs),
        evaluations_full=len(grid.config_ids) * len(grid.query_ids),
        ab_load=plan.experiment.stages.ab.load.as_load().label,
        regret_bound=state.regret_bound,
        front=tuple(state.front),
        requests=state.requests,
        cost_usd=state.cost_usd,
        failures=dict(state.failures),
        warnings=tuple(warnings_of(state)),
        error=dict(state.error) if state.error else None,
        stages=tuple(_stage(state, stage.name) for stage in plan.stages),
        events=tuple(told_events(state)),
    )


def report_on(state: RunState) -> Report:
    """The report of a journal that was read whole; events that it has lost are its first warning."""
    report = build_report(state)
    if not state.lost_events:
        return report
    lost = counted(state.lost_events, "event is", "events are")
    told = f"the journal is damaged: {lost} lost, so what is told here may be wrong"
    where = f"which: orchestra verify {report.run_id}"
    return report.model_copy(update={"warnings": (f"{told} ({where})", *report.warnings)})


def told_events(state: RunState) -> Iterator[ToldEvent]:
    """The events that people read, oldest first."""
    for event in state.told_events:
        message = describe(event, state)
        kind = event.event_type.value
        yield ToldEvent(seq=event.seq, event_type=kind, created_at=event.created_at, message=message)


def _stage(state: RunState, name: str) -> StageSummary:
    progress = state.stages.get(name)
    if progress is None:
        return StageSummary(name=name, status="waiting")
    return StageSummary.model_validate({"name": name, **asdict(progress)})


def _baseline(plan: Plan, jobs: Iterable[JobSummary]) -> Candidate:
    """The baseline with grid figures when the space holds it, else those of the A/B or smoke."""
    found = {j.stage: j.metrics for j in jobs if j.config_id == plan.baseline.config_id}
    metrics = found.get("grid") or found.get("ab") or found.get("smoke") or {}
    return Candidate(
        config_id=plan.baseline.config_id, parameters=plan.baseline.parameters, metrics=metrics
    )


def _candidates(plan: Plan, jobs: Iterable[JobSummary], rungs: Iterable[Rung]) -> tuple[Candidate, ...]:
    metrics = {job.config_id: job.metrics for job in jobs if job.stage == "grid"}
    dropped: dict[str, tuple[int, Drop]] = {}
    for rung in rungs:
        dropped.update(dict.fromkeys(rung.dropped_certain, (rung.rung, "certain")))
        dropped.update(dict.fromkeys(rung.dropped_equivalent, (rung.rung, "equivalent")))
        dropped.update(dict.fromkeys(rung.dropped_forced, (rung.rung, "forced")))
    return tuple(
        Candidate(
            config_id=configuration.config_id,
            parameters=configuration.parameters,
            metrics=metrics.get(configuration.config_id, {}),
            dropped_in_rung=dropped.get(configuration.config_id, (None, None))[0],
            drop=dropped.get(configuration.config_id, (None, None))[1],
        )
        for configuration in plan.configurations
    )


def _why_not(state: RunState) -> str:
    if state.publication is not None:
        published = state.publication.get("published", False)
        return "" if published else str(state.publication.get("reason", ""))
    if state.error is not None:
        return str(state.error.get("msg", ""))
    return str((state.ending or {}).get("reason", ""))
