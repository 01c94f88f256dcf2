"""The step from a rung's evidence to who stays: limits, doubt, equivalence, budget."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from orchestra_core import ConfigurationEvidence, RungEvidence
from orchestra_core.metric_names import PERCENTILES
from orchestra_core.statistics.dominance import Burden, front_step
from orchestra_core.statistics.neighbours import coded, equivalence
from orchestra_core.statistics.racing import Eligible, RaceStep, race_step, room
from orchestra_core.statistics.ranking import (
    MATERIAL_MS,
    MATERIAL_SHARE,
    MATERIAL_USD,
    Standing,
    best,
)
from orchestra_reflection_rules.limits import keeping, proving, spent_on_quality


def shrink(evidence: RungEvidence, beyond: Sequence[int]) -> RaceStep:
    """Who stays, by rows of the evidence. `beyond`: rows that are confidently infeasible."""
    rows = [i for i in range(len(evidence.configurations)) if i not in set(beyond)]
    chosen = [evidence.configurations[i] for i in rows]
    scores, finer = np.stack([c.scores for c in chosen]), np.stack([c.finer for c in chosen])
    grid = evidence.plan.experiment.stages.grid
    parameters = [evidence.plan.configuration(c.config_id).parameters for c in chosen]
    keep, minimize = affordable(evidence), evidence.plan.experiment.objective.minimize
    if any(c.aggregate_only for c in chosen):
        return _by_figures(rows, scores, keeping(evidence, chosen), keep, beyond)
    field = len(evidence.plan.stage("grid").config_ids)
    burden = _burden(evidence, chosen, field)
    one_step = (
        partial(race_step, field=field) if minimize is None else partial(front_step, burden=burden)
    )
    step = one_step(
        scores,
        finer,
        delta=spent_on_quality(evidence),
        keep_at_most=keep if keep < len(rows) else None,
        alike=equivalence(scores, finer, coded(parameters), grid.epsilon),
        eligible=Eligible(keeping(evidence, chosen), proving(evidence, chosen)),
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
    """How many configurations the next rung may hold, by what is left of the grid's budget."""
    to_come = evidence.plan.stage("grid").rungs[evidence.rung + 1 :]
    left = evidence.evaluations_allowed - evidence.evaluations_spent
    return room(left, [len(block) for block in to_come])


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
    material_usd = MATERIAL_USD if minimize is None else 0.0
    found = best(
        standings,
        material_ms=material_ms,
        material_share=MATERIAL_SHARE,
        material_usd=material_usd,
    )
    return int(found.config_id)
