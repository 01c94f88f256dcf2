"""Select: the verdict decides. Only a win makes the challenger the winner."""

from __future__ import annotations

from orchestra_core.journal.events import EventType
from orchestra_core.report import JobSummary, Metrics, Winner
from orchestra_core.stages.context import RunContext


def run(context: RunContext) -> None:
    """Name the winner; without a win that is the baseline."""
    context.recorder.record(EventType.SELECT_STARTED)
    verdict = context.recorder.state.verdict or {}
    won = verdict.get("kind") == "win"
    chosen = verdict["challenger"] if won else context.plan.baseline.config_id
    winner = Winner(
        config_id=chosen,
        parameters=context.plan.configuration(chosen).parameters,
        metrics=metrics_of(context, chosen),
        is_baseline=not won,
    )
    context.recorder.record(EventType.SELECT_DONE, {"winner": winner.model_dump(mode="json")})


def metrics_of(context: RunContext, config_id: str) -> Metrics:
    """From the A/B; from the grid or smoke when there was nothing to compare."""
    jobs = [JobSummary.model_validate(j, strict=False) for j in context.recorder.state.jobs.values()]
    for stage in ("ab", "grid", "smoke"):
        for job in jobs:
            if job.stage == stage and job.config_id == config_id:
                return job.metrics
    return {}
