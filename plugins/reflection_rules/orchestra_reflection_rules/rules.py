"""Each rule looks at a rung's evidence and gives one decision, or None when it has nothing to say."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from orchestra_core import Decision, RungEvidence
from orchestra_core.observation import most_frequent
from orchestra_core.statistics.racing import RaceStep
from orchestra_reflection_rules.limits import infeasible
from orchestra_reflection_rules.settings import Settings
from orchestra_reflection_rules.shrinking import affordable, shrink


def decide(evidence: RungEvidence) -> list[Decision]:
    """All decisions on a rung. A rung where too much failed is judged on nothing else."""
    settings = evidence.settings if isinstance(evidence.settings, Settings) else Settings()
    stop = failure_rate(evidence, settings)
    if stop is not None:
        return [stop]
    found = [plateau(evidence, settings), recall_variance(evidence, settings)]
    return [d for d in found if d is not None] or [_keep(evidence)]


def failure_rate(evidence: RungEvidence, settings: Settings) -> Decision | None:
    """Too many failed requests: the target is not fit to be measured."""
    failed = sum(c.failures for c in evidence.configurations)
    asked = sum(c.count for c in evidence.configurations)
    rate = failed / asked if asked else 0.0
    if rate <= settings.failure_rate:
        return None
    told = most_frequent(one for c in evidence.configurations for one in c.failed)
    share = f"{failed} of {asked} requests failed ({rate:.0%}, limit {settings.failure_rate:.0%})"
    return Decision(
        kind="early_stop",
        scope="run",
        rule="failure_rate",
        reason=f"{share}. {told}" if told else share,
        figures={"failure_rate": rate, "limit": settings.failure_rate},
    )


def plateau(evidence: RungEvidence, settings: Settings) -> Decision | None:
    """Nobody pulls ahead any more: the leader stands still and the survivors are equivalent."""
    if evidence.stage != "grid" or not evidence.next_rung_queries:
        return None
    history = [*evidence.best_so_far, max(_means(evidence))]
    if len(history) <= settings.plateau_rungs:
        return None
    gain = history[-1] - history[-1 - settings.plateau_rungs]
    spread = float(np.ptp(_means(evidence)))
    epsilon = evidence.plan.experiment.stages.grid.epsilon
    if gain > settings.plateau or spread > epsilon:
        return None
    return Decision(
        kind="early_stop",
        rule="plateau",
        reason=f"the leader's mean has not grown by more than {settings.plateau:g} over "
        f"{settings.plateau_rungs} rungs ({gain:+.4f}), and all {len(evidence.configurations)} "
        f"survivors lie within {spread:.4f} of each other",
        figures={"gain": gain, "spread": spread, "epsilon": epsilon},
    )


def recall_variance(evidence: RungEvidence, settings: Settings) -> Decision | None:
    """The means are known well enough to act on: drop who is beaten, and what the budget forbids.

    Whoever is confidently beyond a limit of the objective goes first, however little is known of means.
    """
    if evidence.stage != "grid" or not evidence.next_rung_queries:
        return None
    scores = np.stack([c.scores for c in evidence.configurations])
    variance = _sampling_variance(scores)
    beyond = infeasible(evidence)
    known_well = variance <= settings.recall_variance and not any(
        c.aggregate_only for c in evidence.configurations
    )
    acts = known_well or affordable(evidence) < len(scores) - len(beyond)
    step = shrink(evidence, beyond) if acts else _without(beyond, len(scores))
    if len(step.survivors) == len(scores):
        return None
    names = [c.config_id for c in evidence.configurations]
    return Decision(
        kind="shrink",
        rule="recall_variance",
        reason=_told(evidence, step, len(beyond)),
        figures={
            "variance": variance,
            "limit": settings.recall_variance,
            "certain": len(step.certain),
            "infeasible": len(beyond),
            "equivalent": len(step.equivalent),
            "forced": len(step.forced),
            "best": float(scores.mean(axis=1).max()),
        },
        survivors=tuple(names[i] for i in step.survivors),
        certain=tuple(names[i] for i in step.certain),
        equivalent=tuple(names[i] for i in step.equivalent),
        infeasible=tuple(names[i] for i in beyond),
    )


def _without(beyond: Sequence[int], field: int) -> RaceStep:
    survivors = tuple(i for i in range(field) if i not in set(beyond))
    return RaceStep(survivors, certain=tuple(beyond), equivalent=(), forced=())


def _sampling_variance(scores: NDArray[np.float64]) -> float:
    """Largest variance of a mean over rows of float64 (n_configurations, n_queries)."""
    queries = scores.shape[1]
    # One query tells nothing of the variance; 1 is more than any mean of 0..1 can have.
    return float((scores.var(axis=1, ddof=1) / queries).max()) if queries > 1 else 1.0


def _means(evidence: RungEvidence) -> list[float]:
    return [float(c.scores.mean()) for c in evidence.configurations]


def _told(evidence: RungEvidence, step: RaceStep, beyond: int) -> str:
    field, queries = len(evidence.configurations), len(evidence.query_ids)
    drops = f"{len(step.certain)} dropped beyond doubt"
    drops += f" ({beyond} of them beyond a limit)" if beyond else ""
    drops += f", {len(step.equivalent)} as good as a cheaper one, {len(step.forced)} to keep the budget"
    return f"{len(step.survivors)} of {field} configurations go on after {queries} queries: {drops}"


def _keep(evidence: RungEvidence) -> Decision:
    count = len(evidence.configurations)
    best = max(_means(evidence))
    return Decision(
        kind="keep",
        rule="no_reason_to_act",
        reason=f"all {count} configurations go on; best {evidence.objective} {best:.4f}",
        figures={"best": best},
    )
