"""What the race comes to: who leads, and what forced drops may have cost."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from orchestra_core.evaluation.jobs import Job
from orchestra_core.evaluation.metrics import FINER
from orchestra_core.experiment import Objective
from orchestra_core.plan import Plan
from orchestra_core.statistics.ranking import Standing, best
from orchestra_core.statistics.regret import regret_bound

MATERIAL_MS = 5.0
"""A p95 difference below this (or below 5% of the limit, if there is one) breaks no tie."""
MATERIAL_SHARE = 0.1


def concluded(
    plan: Plan, everyone: Mapping[str, Job], survivors: Sequence[str], forced: Iterable[str]
) -> dict[str, Any]:
    """What GRID_DONE says. `everyone`: all jobs of the race, the dropped ones as they were left."""
    leader = leading([everyone[config_id] for config_id in survivors], plan.experiment.objective)
    return {
        "leader": leader.configuration.config_id,
        "survivors": list(survivors),
        "regret_bound": _regret_bound(plan, everyone, list(forced), leader),
    }


def leading(jobs: Sequence[Job], objective: Objective) -> Job:
    """The best job by the objective; those that break a constraint only when all others do too."""
    kept = [job for job in jobs if _keeps_constraints(job, objective)] or list(jobs)
    standings = [_standing(job, objective.maximize) for job in kept]
    limit = objective.subject_to.get("p95_ms")
    material = 0.05 * limit if limit else MATERIAL_MS
    leader = best(standings, material_ms=material, material_share=MATERIAL_SHARE)
    return next(job for job in kept if job.configuration.config_id == leader.config_id)


def _regret_bound(
    plan: Plan, everyone: Mapping[str, Job], forced: Sequence[str], leader: Job
) -> float | None:
    """By how much the best of the forced drops may be better than the leader; None without any."""
    if not forced:
        return None
    place = {config_id: index for index, config_id in enumerate(everyone)}
    return regret_bound(
        [job.scores[plan.experiment.objective.maximize] for job in everyone.values()],
        [place[config_id] for config_id in forced],
        place[leader.configuration.config_id],
        1 - plan.experiment.stages.grid.delta,
    )


def _standing(job: Job, metric: str) -> Standing:
    metrics = job.metrics()
    return Standing(
        job.configuration.config_id,
        metrics[metric] or 0.0,
        metrics[FINER] or 0.0,
        metrics["p95_ms"],
        metrics["cost_per_query"],
    )


def _keeps_constraints(job: Job, objective: Objective) -> bool:
    metrics = job.metrics()
    figures = ((metrics.get(name), limit) for name, limit in objective.subject_to.items())
    return all(value is None or value <= limit for value, limit in figures)
