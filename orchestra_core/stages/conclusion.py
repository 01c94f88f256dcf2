"""What the race comes to: who leads, who is on the front, and what forced drops may have cost."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from orchestra_core.evaluation.jobs import Job
from orchestra_core.evaluation.metrics import FINER
from orchestra_core.experiment import Objective
from orchestra_core.metric_names import keeps, told_limits
from orchestra_core.plan import Plan
from orchestra_core.statistics.pareto import front, knee
from orchestra_core.statistics.ranking import MATERIAL_MS, MATERIAL_SHARE, Standing, best
from orchestra_core.statistics.regret import regret_bound


def concluded(
    plan: Plan, everyone: Mapping[str, Job], survivors: Sequence[str], forced: Iterable[str]
) -> dict[str, Any]:
    """What GRID_DONE says. `everyone`: all jobs of the race, the dropped ones as they were left."""
    objective = plan.experiment.objective
    jobs = [everyone[config_id] for config_id in survivors]
    warnings = [*_unkept(jobs, objective), *_unmeasured(jobs, objective), *_failed(everyone.values())]
    done: dict[str, Any] = {"survivors": list(survivors), "front": [], "regret_bound": None}
    if objective.minimize is None:
        leader = leading(jobs, objective)
        done["regret_bound"] = _regret_bound(plan, everyone, list(forced), leader)
    else:
        on_front = front_of(jobs, objective, objective.minimize)
        leader = _chosen(on_front, objective, objective.minimize)
        done["front"] = [job.configuration.config_id for job in on_front]
        if leader.metrics().get(objective.minimize) is None:
            told = f"{objective.minimize} was not measured, so the front is one of quality alone"
            warnings.append(told)
    return {"leader": leader.configuration.config_id, **done, "warnings": warnings}


def _unkept(jobs: Sequence[Job], objective: Objective) -> list[str]:
    """A warning when nobody keeps the limits, so that they decided nothing."""
    if any(keeps(job.metrics(), objective.subject_to) for job in jobs):
        return []
    limits = told_limits(objective.subject_to)
    return [f"no configuration that reached the end of the race keeps {limits}; quality alone decided"]


def _unmeasured(jobs: Sequence[Job], objective: Objective) -> list[str]:
    """A warning for each limit on what nobody measured."""
    missing = [n for n in objective.subject_to if all(j.metrics().get(n) is None for j in jobs)]
    return [f"{name} was not measured, so its limit decided nothing" for name in missing]


def _failed(jobs: Collection[Job]) -> list[str]:
    """A warning when the race went by evaluations that failed."""
    if not (failed := sum(job.failures.total() for job in jobs)):
        return []
    asked = sum(len(job.query_ids) for job in jobs)
    return [f"{failed:,} of the grid's {asked:,} evaluations failed and count as zero"]


def among_whom(objective: Objective, jobs: Iterable[Mapping[str, Any]]) -> str:
    """What the limits left of the grid's jobs (as in JOB_DONE), as a clause; empty if all keep them."""
    kept = [keeps(job["metrics"], objective.subject_to) for job in jobs if job["stage"] == "grid"]
    limits = told_limits(objective.subject_to)
    if all(kept):
        return ""
    if not any(kept):
        return f" (neither it nor any other configuration keeps {limits})"
    return f" among the {sum(kept)} of {len(kept)} configurations that keep {limits}"


def front_of(jobs: Sequence[Job], objective: Objective, minimize: str) -> list[Job]:
    """The jobs of which no other is better in both objectives, by rising `minimize`.

    Those that break a constraint count only when all others do too; what was not measured is infinite.
    """
    kept = _keeping(jobs, objective)
    return [kept[index] for index in front([_point(job, objective, minimize) for job in kept])]


def _chosen(on_front: Sequence[Job], objective: Objective, minimize: str) -> Job:
    if objective.select == "quality":
        return leading(on_front, objective)
    return on_front[knee([_point(job, objective, minimize) for job in on_front])]


def _point(job: Job, objective: Objective, minimize: str) -> tuple[float, float]:
    metrics = job.metrics()
    figure = metrics.get(minimize)
    return metrics[objective.maximize] or 0.0, float("inf") if figure is None else figure


def leading(jobs: Sequence[Job], objective: Objective) -> Job:
    """The best job by the objective; those that break a constraint only when all others do too."""
    kept = _keeping(jobs, objective)
    standings = [_standing(job, objective.maximize) for job in kept]
    limit = objective.subject_to.get("p95_ms")
    material = 0.05 * limit if limit else MATERIAL_MS
    leader = best(standings, material_ms=material, material_share=MATERIAL_SHARE)
    return next(job for job in kept if job.configuration.config_id == leader.config_id)


def _regret_bound(
    plan: Plan, everyone: Mapping[str, Job], forced: Sequence[str], leader: Job
) -> float | None:
    """By how much the best of the forced drops may be better than the leader; None without any."""
    if not forced or any(job.aggregate_only for job in everyone.values()):
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


def _keeping(jobs: Sequence[Job], objective: Objective) -> list[Job]:
    return [job for job in jobs if keeps(job.metrics(), objective.subject_to)] or list(jobs)
