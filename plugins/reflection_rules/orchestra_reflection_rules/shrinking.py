"""The step from a rung's evidence to who stays: limits, doubt, equivalence, budget."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from orchestra_core import ConfigurationEvidence, RungEvidence
from orchestra_core.statistics.dominance import Burden, front_step
from orchestra_core.statistics.feasibility import mean_exceeds, percentile_exceeds
from orchestra_core.statistics.neighbours import coded, equivalence
from orchestra_core.statistics.racing import RaceStep, race_step
from orchestra_core.statistics.ranking import Standing, best

PERCENTILES = {"p50_ms": 50.0, "p95_ms": 95.0, "p99_ms": 99.0}
MATERIAL_MS = 5.0
MATERIAL_SHARE = 0.1
"""Cheaper or faster by less than this is no reason to prefer a configuration."""


def shrink(evidence: RungEvidence, beyond: Sequence[int]) -> RaceStep:
    """Who stays, by rows of the evidence. `beyond`: rows that are confidently infeasible."""
    rows = [i for i in range(len(evidence.configurations)) if i not in set(beyond)]
    chosen = [evidence.configurations[i] for i in rows]
    scores, finer = np.stack([c.scores for c in chosen]), np.stack([c.finer for c in chosen])
    grid = evidence.plan.experiment.stages.grid
    parameters = [evidence.plan.configuration(c.config_id).parameters for c in chosen]
    keep, minimize = affordable(evidence), evidence.plan.experiment.objective.minimize
    if any(c.aggregate_only for c in chosen):
        return _by_figures(rows, scores, _keeping_limits(evidence, chosen), keep, beyond)
    field = len(evidence.plan.stage("grid").config_ids)
    burden = _burden(evidence, chosen, field)
    one_step = (
        partial(race_step, field=field) if minimize is None else partial(front_step, burden=burden)
    )
    step = one_step(
        scores,
        finer,
        delta=grid.delta,
        keep_at_most=keep if keep < len(rows) else None,
        alike=equivalence(scores, finer, coded(parameters), grid.epsilon),
        eligible=_keeping_limits(evidence, chosen),
        cheapest=lambda group: _cheapest(chosen, group, minimize),
    )
    return RaceStep(
        survivors=tuple(rows[i] for i in step.survivors),
        certain=(*beyond, *(rows[i] for i in step.certain)),
        equivalent=tuple(rows[i] for i in step.equivalent),
        forced=tuple(rows[i] for i in step.forced),
    )


def _by_figures(
    rows: Sequence[int],
    scores: NDArray[np.float64],
    eligible: NDArray[np.bool_],
    keep: int,
    beyond: Sequence[int],
) -> RaceStep:
    """Figures over a block prove nothing of each other: only the budget drops anybody, worst first."""
    means = scores.mean(axis=1)
    ordered = sorted(range(len(rows)), key=lambda i: (not eligible[i], -means[i], i))
    return RaceStep(
        survivors=tuple(rows[i] for i in ordered[:keep]),
        certain=tuple(beyond),
        equivalent=(),
        forced=tuple(rows[i] for i in ordered[keep:]),
    )


def _burden(evidence: RungEvidence, chosen: Sequence[ConfigurationEvidence], field: int) -> Burden:
    """What the second objective, if there is one, minimises; as far as it was measured."""
    metric = evidence.plan.experiment.objective.minimize or ""
    figures = [c.metrics.get(metric) for c in chosen]
    taken = [c.latencies_ms if metric in PERCENTILES else c.costs for c in chosen]
    return Burden(
        figures=np.array([np.inf if f is None else f for f in figures]),
        samples=[np.zeros(0) if t is None else t for t in taken],
        field=field,
        looks=evidence.rungs,
    )


def affordable(evidence: RungEvidence) -> int:
    """How many configurations the next rung may hold, the rest of the budget spread evenly."""
    rungs_left = max(1, evidence.rungs - evidence.rung - 1)
    left = evidence.evaluations_allowed - evidence.evaluations_spent
    return max(2, left // rungs_left // evidence.next_rung_queries)


def infeasible(evidence: RungEvidence) -> list[int]:
    """Rows confidently beyond a limit of the objective; none when that would be everybody.

    The chance of a wrong one, `delta`, is spread over configurations, rungs and limits.
    """
    limits = evidence.plan.experiment.objective.subject_to
    field = len(evidence.plan.stage("grid").config_ids)
    error = evidence.plan.experiment.stages.grid.delta / max(1, field * evidence.rungs * len(limits))
    found = [
        i
        for i, one in enumerate(evidence.configurations)
        if any(_exceeds(one, name, limit, error) for name, limit in limits.items())
    ]
    return found if len(found) < len(evidence.configurations) else []


def _exceeds(one: ConfigurationEvidence, name: str, limit: float, error: float) -> bool:
    if name in PERCENTILES:
        timed = one.latencies_ms
        return timed is not None and percentile_exceeds(timed, limit, PERCENTILES[name], error)
    return one.costs is not None and mean_exceeds(one.costs, limit, error)


def _keeping_limits(
    evidence: RungEvidence, chosen: Sequence[ConfigurationEvidence]
) -> NDArray[np.bool_]:
    """Who keeps all limits as far as was measured."""
    limits = evidence.plan.experiment.objective.subject_to
    figures = [[(c.metrics.get(name), limit) for name, limit in limits.items()] for c in chosen]
    return np.array([all(f is None or f <= limit for f, limit in row) for row in figures], dtype=bool)


def _cheapest(
    chosen: Sequence[ConfigurationEvidence], group: Sequence[int], minimize: str | None
) -> int:
    """The materially fastest, then cheapest, of equivalent rows; else the first in plan order.

    With one objective the median time is compared: of the few requests timed so far, the p95 is the
    slowest one. With two it is what is minimised, by however few milliseconds; where that is cost, time
    does not count.
    """
    time = "p50_ms" if minimize is None else minimize
    standings = [
        Standing(
            config_id=str(i),
            quality=0.0,
            finer=float(chosen[i].finer.mean()),
            latency=chosen[i].metrics.get(time) if time in PERCENTILES else None,
            cost=chosen[i].metrics.get("cost_per_query"),
        )
        for i in sorted(group)
    ]
    material_ms = MATERIAL_MS if minimize is None else 0.0
    found = best(standings, material_ms=material_ms, material_share=MATERIAL_SHARE)
    return int(found.config_id)
