"""From two jobs on the same queries to arms for judging, and to rows for latency and cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from orchestra_core.evaluation.jobs import Job
from orchestra_core.evaluation.metrics import metric_names
from orchestra_core.experiment import Margin
from orchestra_core.metric_names import PERCENTILES
from orchestra_core.report import MetricDifference
from orchestra_core.statistics.judging import Arms
from orchestra_core.statistics.paired import (
    PairedDifference,
    paired_difference,
    percentile_difference,
)


def arms_of(baseline: Job, challenger: Job, objective: str) -> Arms:
    """Per-query scores of both jobs, the objective first."""
    others = [n for n in metric_names(objective) if n != objective and not n.startswith("judged@")]
    names = (objective, *others)
    return Arms(
        {name: baseline.scores[name] for name in names},
        {name: challenger.scores[name] for name in names},
    )


def timing_rows(
    baseline: Job, challenger: Job, margins: Mapping[str, Margin], confidence: float, seed: int
) -> list[MetricDifference]:
    """Latency percentiles and cost, over the queries that both arms answered in the probe.

    Empty when fewer than two were. Raises StatisticsError.
    """
    pairs = list(_timed_pairs(baseline, challenger))
    if len(pairs) < 2:
        return []
    rows = []
    a, b = np.array([pair[:2] for pair in pairs]).T
    for metric, percentile in PERCENTILES.items():
        d = percentile_difference(a, b, percentile, confidence=confidence, seed=seed)
        figures = float(np.percentile(a, percentile)), float(np.percentile(b, percentile))
        rows.append(_row(metric, figures, d, None, "ms", confidence, margins.get(metric)))
    costs = [pair[2:] for pair in pairs if pair[2] is not None and pair[3] is not None]
    if len(costs) >= 2:
        x, y = np.array(costs, dtype=np.float64).T
        d = paired_difference(x, y, confidence=confidence, seed=seed, span=None)
        figures, margin = (float(x.mean()), float(y.mean())), margins.get("cost_per_query")
        rows.append(_row("cost_per_query", figures, d, d.p_value, "USD", confidence, margin))
    return rows


def _timed_pairs(
    baseline: Job, challenger: Job
) -> Iterator[tuple[float, float, float | None, float | None]]:
    """(latency, latency, cost, cost) of every query that both arms answered in the probe."""
    timed = {s.query_id: s for s in challenger.samples if s.failure is None}
    for sample in baseline.samples:
        other = timed.get(sample.query_id)
        if sample.failure is None and other is not None:
            yield sample.latency_ms, other.latency_ms, sample.cost, other.cost


def _row(
    metric: str,
    figures: tuple[float, float],
    difference: PairedDifference,
    p_value: float | None,
    unit: str = "",
    confidence: float = 0.95,
    margin: Margin | None = None,
) -> MetricDifference:
    return MetricDifference(
        metric=metric,
        baseline=figures[0],
        challenger=figures[1],
        delta=difference.delta,
        ci_low=difference.ci_low,
        ci_high=difference.ci_high,
        p_value=p_value,
        unit=unit,
        confidence=confidence,
        margin=None if margin is None else margin.allowed(figures[0]),
    )
