"""Smoke: does the target answer a few configurations, and with ids that the dataset knows?"""

from __future__ import annotations

from collections.abc import Collection

from orchestra_core.datasets import Dataset
from orchestra_core.errors import IdsDoNotAlign
from orchestra_core.evaluation.jobs import Job
from orchestra_core.journal.events import EventType
from orchestra_core.payloads import RungEvidence
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
    overlap, examples = id_overlap(jobs.values(), context.dataset)
    stop_if_told(context.reflect(_evidence(context, jobs)))
    refuse_dead_target(jobs.values(), stage.query_ids)
    warnings = [] if overlap is None or overlap > 0.5 else [_partly(overlap)]
    context.recorder.record(
        EventType.SMOKE_DONE, {"id_overlap": overlap, "ids": examples, "warnings": warnings}
    )


def id_overlap(jobs: Collection[Job], dataset: Dataset) -> tuple[float | None, list[str]]:
    """Share of retrieved ids that the corpus knows, and a few of them; None when none came back.

    Raises IdsDoNotAlign when not one id is known: then every quality figure would be a false zero.
    """
    retrieved = {d for job in jobs for o in job.observations.values() for d in o.ranking}
    if not retrieved:
        return None, []
    known = retrieved & dataset.corpus.keys()
    examples = sorted(retrieved)[:EXAMPLES]
    if not known:
        raise IdsDoNotAlign(
            f"none of {len(retrieved)} retrieved ids is in dataset '{dataset.name}': the target says "
            f"{', '.join(examples)}; the dataset says {', '.join(sorted(dataset.corpus)[:EXAMPLES])}",
            hint="Point the runner at an index of this dataset, or map its ids.",
            details={"overlap": 0.0},
        )
    return len(known) / len(retrieved), examples


def _evidence(context: RunContext, jobs: dict[str, Job]) -> RungEvidence:
    return evidence_of(context, "smoke", 0, 1, jobs, best_so_far=(), next_rung_queries=0)


def _partly(overlap: float) -> str:
    return f"only {overlap:.0%} of the retrieved ids are in the dataset's corpus"
