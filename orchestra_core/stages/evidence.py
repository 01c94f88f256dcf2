"""What reflection is shown after a rung."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import numpy as np

from orchestra_core.builtin.planner import evaluations_allowed
from orchestra_core.evaluation.jobs import Job
from orchestra_core.evaluation.latency import timed
from orchestra_core.evaluation.metrics import FINER
from orchestra_core.payloads import ConfigurationEvidence, RungEvidence
from orchestra_core.stages.context import RunContext


def evidence_of(
    context: RunContext,
    stage: Literal["smoke", "grid"],
    rung: int,
    rungs: int,
    jobs: Mapping[str, Job],
    *,
    best_so_far: tuple[float, ...],
    next_rung_queries: int,
) -> RungEvidence:
    """Every configuration still in the race with its per-query scores of the objective."""
    objective = context.plan.experiment.objective.maximize
    return RungEvidence(
        stage=stage,
        rung=rung,
        rungs=rungs,
        plan=context.plan,
        objective=objective,
        query_ids=next(iter(jobs.values())).query_ids,
        configurations=tuple(_of_job(job, objective) for job in jobs.values()),
        best_so_far=best_so_far,
        evaluations_spent=context.recorder.state.grid_evaluations,
        evaluations_allowed=grid_evaluations_allowed(context),
        next_rung_queries=next_rung_queries,
    )


def grid_evaluations_allowed(context: RunContext) -> int:
    """The grid's budget in (configuration, query) pairs; 0 when the plan has no grid."""
    stage = next((stage for stage in context.plan.stages if stage.name == "grid"), None)
    if stage is None:
        return 0
    return evaluations_allowed(
        len(stage.config_ids),
        len(stage.query_ids),
        context.plan.experiment.stages.grid.budget,
        len(stage.rungs[0]),
    )


def _of_job(job: Job, objective: str) -> ConfigurationEvidence:
    return ConfigurationEvidence(
        config_id=job.configuration.config_id,
        scores=job.scores[objective],
        finer=job.scores[FINER],
        metrics=job.metrics(),
        failures=job.failures.total(),
        count=len(job.query_ids),
        latencies_ms=timed(job.timed_items()),
        costs=np.array([i.cost for i in job.timed_items() if i.cost is not None and i.failure is None]),
        aggregate_only=job.aggregate_only,
        failed=job.failed,
    )
