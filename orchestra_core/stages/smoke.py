"""Smoke: does the target answer a few configurations, and with ids that the dataset knows?"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

from orchestra_core.datasets import Dataset
from orchestra_core.evaluation.claims import contradictions
from orchestra_core.evaluation.ids import aligned, both_sides, nothing_found
from orchestra_core.evaluation.jobs import AGGREGATE_ONLY, Job
from orchestra_core.journal.events import EventType
from orchestra_core.payloads import RungEvidence
from orchestra_core.plan import Plan
from orchestra_core.report import IdOverlap
from orchestra_core.stages.context import RunContext, refuse_dead_target, stop_if_told
from orchestra_core.stages.evidence import evidence_of


def run(context: RunContext) -> None:
    """Ask the smoke configurations, check the ids, reflect.

    Raises TargetError, EarlyStop, HealthFailed.
    """
    stage = context.plan.stage("smoke")
    jobs = context.new_jobs("smoke", stage.config_ids)
    evaluations = len(jobs) * len(stage.query_ids)
    context.recorder.record(EventType.SMOKE_STARTED, {"evaluations": evaluations})
    try:
        context.evaluate(jobs, "smoke", 0, stage.query_ids)
    finally:
        context.finish_jobs(job for job in jobs.values() if job.query_ids)
    content = seen(context.plan, context.dataset, list(jobs.values()))
    stop_if_told(context.reflect(_evidence(context, jobs)))
    refuse_dead_target(jobs.values(), stage.query_ids)
    _refuse_empty_target(jobs.values(), stage.query_ids)
    context.recorder.record(EventType.SMOKE_DONE, content)


def seen(plan: Plan, dataset: Dataset, jobs: Sequence[Job]) -> dict[str, Any]:
    """What SMOKE_DONE says of the smoke test's jobs. Raises IdsDoNotAlign."""
    ids = id_overlap(jobs, dataset)
    warnings = [] if ids.share is None or ids.share > 0.5 else [_partly(ids)]
    if any(job.aggregate_only for job in jobs):
        warnings.append(AGGREGATE_ONLY)
    objective = plan.experiment.objective.maximize
    if not any(job.scores[objective].any() for job in jobs):
        queries = len(plan.stage("smoke").query_ids)
        warnings.append(f"{objective} is 0 for each of {len(jobs)} configurations on {queries} queries")
    warnings += contradictions(jobs)
    return {"overlap": ids.model_dump(mode="json"), "warnings": warnings}


def id_overlap(jobs: Collection[Job], dataset: Dataset) -> IdOverlap:
    """How the ids of all rankings agree with the corpus. Raises IdsDoNotAlign when not one does."""
    return aligned({d for job in jobs for o in job.observations.values() for d in o.ranking}, dataset)


def _refuse_empty_target(jobs: Collection[Job], query_ids: Sequence[str]) -> None:
    """Raise TargetError where every answer is empty: equal zeroes would read as "no difference"."""
    empty = not any(o.ranking for job in jobs for o in job.observations.values())
    if empty and not any(job.aggregate_only for job in jobs):
        raise nothing_found(len(query_ids))


def _evidence(context: RunContext, jobs: dict[str, Job]) -> RungEvidence:
    return evidence_of(context, "smoke", 0, 1, jobs, best_so_far=(), next_rung_queries=0)


def _partly(ids: IdOverlap) -> str:
    share = f"only {ids.share or 0.0:.0%} of the retrieved ids are in the dataset's corpus"
    return f"{share}: {both_sides(ids)}"
