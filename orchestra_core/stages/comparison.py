"""From two jobs on the same queries to arms for judging, and to rows for latency and cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from orchestra_core.evaluation.jobs import Job
from orchestra_core.evaluation.metrics import metric_names
from orchestra_core.fields import Margin
from orchestra_core.metric_names import PERCENTILES
from orchestra_core.observation import LatencySample
from orchestra_core.report import MetricDifference
from orchestra_core.statistics.judging import Arms
from orchestra_core.statistics.paired import (
    PairedDifference,
    endless_percentile,
    paired_difference,
    percentile_difference,
)
from orchestra_core.statistics.prospects import Timed


def arms_of(baseline: Job, challenger: Job, objective: str) -> Arms:
    """Per-query scores of both jobs, the objective first."""
    others = [n for n in metric_names(objective) if n != objective and not n.startswith("judged@")]
    names = (objective, *others)
    return Arms(
        {name: baseline.scores[name] for name in names},
        {name: challenger.scores[name] for name in names},
    )


def timed_arms(
    baseline: Job, challenger: Job, margins: Mapping[str, Margin], confidence: float, seed: int
) -> Timed:
    """Latency percentiles and cost, over the queries that both arms were asked in the probe.

    A request that failed is endlessly slow, and so then may be a percentile or an end of its interval:
    None. Costs are of queries that both answered. No rows below two queries. Raises StatisticsError.
    """
    pairs = timed_pairs(baseline, challenger)
    if len(pairs) < 2:
        return Timed(requests=len(pairs))
    rows = []
    a, b = (np.array([_milliseconds(sample) for sample in arm]) for arm in zip(*pairs, strict=True))
    for metric, percentile in PERCENTILES.items():
        d = percentile_difference(a, b, percentile, confidence=confidence, seed=seed)
        figures = float(endless_percentile(a, percentile)), float(endless_percentile(b, percentile))
        rows.append(_row(metric, figures, d, None, "ms", confidence, margins.get(metric)))
    costs = [(one.cost, other.cost) for one, other in pairs if not (one.failure or other.failure)]
    costs = [pair for pair in costs if None not in pair]
    if len(costs) >= 2:
        x, y = np.array(costs, dtype=np.float64).T
        d = paired_difference(x, y, confidence=confidence, seed=seed, span=None)
        figures, margin = (float(x.mean()), float(y.mean())), margins.get("cost_per_query")
        rows.append(_row("cost_per_query", figures, d, d.p_value, "USD", confidence, margin))
    failed = max(sum(sample.failure is not None for sample in arm) for arm in zip(*pairs, strict=True))
    return Timed(rows, len(pairs), failed / len(pairs))


def timed_pairs(baseline: Job, challenger: Job) -> Sequence[tuple[LatencySample, LatencySample]]:
    """The samples of every query that both arms were asked in the probe, answered or not."""
    timed = {sample.query_id: sample for sample in challenger.samples}
    return [(s, timed[s.query_id]) for s in baseline.samples if s.query_id in timed]


def timing_warnings(baseline: Job, challenger: Job) -> list[str]:
    """Why a percentile of the verdict is not that of the job, where timed requests have failed."""
    pairs = timed_pairs(baseline, challenger)
    failed = [sum(1 for pair in pairs if pair[arm].failure is not None) for arm in (0, 1)]
    if len(pairs) < 2 or not any(failed):
        return []
    told = (
        f"{failed[0]} and {failed[1]} of {len(pairs)} timed requests of baseline and challenger "
        "failed: the table counts them as endlessly slow (– is endless), metrics.json and ab.latency "
        "have the percentiles of those that were answered"
    )
    return [told]


def _milliseconds(sample: LatencySample) -> float:
    return sample.latency_ms if sample.failure is None else np.inf


def _finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


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
        baseline=_finite(figures[0]),
        challenger=_finite(figures[1]),
        delta=_finite(difference.delta),
        ci_low=_finite(difference.ci_low),
        ci_high=_finite(difference.ci_high),
        p_value=p_value,
        unit=unit,
        confidence=confidence,
        margin=None if margin is None else _finite(margin.allowed(figures[0])),
    )
