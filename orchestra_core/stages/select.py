"""Select: the verdict decides. Only a win makes the challenger the winner."""

from __future__ import annotations

from orchestra_core.journal.events import EventType
from orchestra_core.journal.state import RunState
from orchestra_core.plan import Plan
from orchestra_core.report import JobSummary, Metrics, Winner
from orchestra_core.stages.context import RunContext


def run(context: RunContext) -> None:
    """Name the winner; without a win that is the baseline."""
    context.recorder.record(EventType.SELECT_STARTED)
    winner = choose(context.plan, context.recorder.state)
    context.recorder.record(EventType.SELECT_DONE, {"winner": winner.model_dump(mode="json")})


def choose(plan: Plan, state: RunState) -> Winner:
    """The winner that follows from the verdict and the jobs recorded so far."""
    verdict = state.verdict or {}
    won = verdict.get("kind") == "win"
    chosen = verdict["challenger"] if won else plan.baseline.config_id
    return Winner(
        config_id=chosen,
        parameters=plan.configuration(chosen).parameters,
        metrics=metrics_of(state, chosen),
        is_baseline=not won,
    )


def metrics_of(state: RunState, config_id: str) -> Metrics:
    """From the A/B; from the grid or smoke when there was nothing to compare."""
    jobs = [JobSummary.model_validate(job, strict=False) for job in state.jobs.values()]
    for stage in ("ab", "grid", "smoke"):
        for job in jobs:
            if job.stage == stage and job.config_id == config_id:
                return job.metrics
    return {}
