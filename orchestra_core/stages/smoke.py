"""Smoke: does the target answer a few configurations, and with ids that the dataset knows?"""

from __future__ import annotations

from collections.abc import Collection

from orchestra_core.datasets import Dataset
from orchestra_core.errors import IdsDoNotAlign
from orchestra_core.evaluation.jobs import AGGREGATE_ONLY, Job
from orchestra_core.journal.events import EventType
from orchestra_core.payloads import RungEvidence
from orchestra_core.report import IdOverlap
from orchestra_core.stages.context import RunContext, refuse_dead_target, stop_if_told
from orchestra_core.stages.evidence import evidence_of

EXAMPLES = 3


def run(context: RunContext) -> None:
    """Ask the smoke configurations, check the ids, reflect. Raises IdsDoNotAlign, EarlyStop."""
    stage = context.plan.stage("smoke")
    jobs = context.new_jobs("smoke", stage.config_ids)
    evaluations = len(jobs) * len(stage.query_ids)
    context.recorder.record(EventType.SMOKE_STARTED, {"evaluations": evaluations})
    context.evaluate(jobs, "smoke", 0, stage.query_ids)
    context.finish_jobs(jobs.values())
    ids = id_overlap(jobs.values(), context.dataset)
    stop_if_told(context.reflect(_evidence(context, jobs)))
    refuse_dead_target(jobs.values(), stage.query_ids)
    warnings = [] if ids.share is None or ids.share > 0.5 else [_partly(ids)]
    if any(job.aggregate_only for job in jobs.values()):
        warnings.append(AGGREGATE_ONLY)
    objective = context.plan.experiment.objective.maximize
    if not any(job.scores[objective].any() for job in jobs.values()):
        queries = len(stage.query_ids)
        warnings.append(f"{objective} is 0 for each of {len(jobs)} configurations on {queries} queries")
    content = {"overlap": ids.model_dump(mode="json"), "warnings": warnings}
    context.recorder.record(EventType.SMOKE_DONE, content)


def id_overlap(jobs: Collection[Job], dataset: Dataset) -> IdOverlap:
    """Share of retrieved ids that the corpus knows, with three examples of what either side says.

    The target's examples are ids that the corpus does not know, as long as there are any.
    Raises IdsDoNotAlign when not one id is known: then every quality figure would be a false zero.
    """
    retrieved = {d for job in jobs for o in job.observations.values() for d in o.ranking}
    known = retrieved & dataset.corpus.keys()
    foreign = sorted(retrieved - known)
    overlap = IdOverlap(
        share=len(known) / len(retrieved) if retrieved else None,
        retrieved=tuple((foreign or sorted(known))[:EXAMPLES]),
        dataset=tuple(sorted(dataset.corpus)[:EXAMPLES]),
    )
    if retrieved and not known:
        raise IdsDoNotAlign(
            f"none of {len(retrieved)} retrieved ids is in dataset '{dataset.name}': the target says "
            f"{', '.join(overlap.retrieved)}; the dataset says {', '.join(overlap.dataset)}",
            hint="Point the runner at an index of this dataset, or map its ids.",
            details={"overlap": 0.0, "ids": overlap.model_dump(mode="json")},
        )
    return overlap


def _evidence(context: RunContext, jobs: dict[str, Job]) -> RungEvidence:
    return evidence_of(context, "smoke", 0, 1, jobs, best_so_far=(), next_rung_queries=0)


def _partly(ids: IdOverlap) -> str:
    return (
        f"only {ids.share or 0.0:.0%} of the retrieved ids are in the dataset's corpus: the target "
        f"says {', '.join(ids.retrieved)}; the dataset says {', '.join(ids.dataset)}"
    )
