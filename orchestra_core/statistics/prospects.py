"""What an open question would take: about how many queries, and how small a difference they show.

A question is open by quality, or by a margin that is neither shown to hold nor shown to be broken.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from orchestra_core.metric_names import PERCENTILES
from orchestra_core.report import MetricDifference
from orchestra_core.statistics.paired import PairedDifference, Scores, mean_interval
from orchestra_core.statistics.spending import (
    answers_needed,
    detectable,
    queries_needed,
    short_of_rejecting,
    ties_needed,
)

FEWEST_FOR_TAIL = 40
"""With fewer timed requests the margin of a p95 or p99 is not shown to hold: at 20, one that was broken
in truth was taken to hold in 9.5% of cases where 2.5% were promised; from 40 on in no more."""


@dataclass(frozen=True, slots=True)
class Timed:
    """What the probes of both arms say."""

    rows: Sequence[MetricDifference] = ()
    """Latency and cost."""
    requests: int = 0
    """Of each arm, over the same queries."""
    failed: float = 0.0
    """Share of them that failed, in the arm in which more did."""

    def row(self, metric: str) -> MetricDifference | None:
        """The row of a metric; None when it was not measured."""
        return next((row for row in self.rows if row.metric == metric), None)

    def too_few_for(self, metrics: Iterable[str]) -> str | None:
        """The first of `metrics` that is a tail of which too little was timed."""
        if self.requests >= FEWEST_FOR_TAIL:
            return None
        return next((m for m in metrics if is_tail(m) and self.row(m) is not None), None)


@dataclass(frozen=True, slots=True)
class Prospect:
    """What it would take to settle one metric."""

    metric: str
    queries_needed: int | None
    """In all; None where no number of queries settles it."""
    detectable: float | None
    """The smallest true difference (from its margin, where it has one) that so many queries show with
    80% chance, in the metric's unit; None where the interval is endless."""


def is_tail(metric: str) -> bool:
    """Whether it is a percentile above the median."""
    return PERCENTILES.get(metric, 0) > 50


def of_quality(
    metric: str, difference: Scores, found: PairedDifference, epsilon: float, error: float
) -> Prospect:
    """The objective; `difference` is float64 (n_queries,), `found` what it comes to at 1 - error.

    Interval and test must settle it; the interval of `found` may be stretched to zero.
    """
    least = least_shown(found, error)
    if not difference.any():
        return Prospect(metric, ties_needed(1 - error, epsilon), least)
    low, high = mean_interval(difference, confidence=1 - error)
    short = short_of_rejecting(1.0 if found.p_value is None else found.p_value, error)
    needed = queries_needed(found.delta, low, high, difference.size, epsilon, short_of=short)
    return Prospect(metric, needed, least)


def least_shown(found: PairedDifference, error: float) -> float:
    """The smallest true difference from zero that an interval of this width, at 1 - error, shows."""
    return detectable((found.ci_high - found.ci_low) / 2, error)


def of_margin(
    row: MetricDifference, allowed: float, timed: Timed, queries: int, error: float
) -> Prospect:
    """A metric of which an increase of `allowed`, in its unit, is accepted.

    Settled once its interval lies on one side of that; a tail also needs `FEWEST_FOR_TAIL` requests.
    Of more queries as large a share is supposed to be timed, and to fail.
    """
    each = queries / timed.requests
    if row.delta is None or row.ci_high is None:
        tail = 1 - PERCENTILES.get(row.metric, 100.0) / 100
        answers = answers_needed(timed.failed, tail, error)
        needed = None if answers is None else max(queries + 1, math.ceil(each * answers))
        return Prospect(row.metric, needed, None)
    low, high = -math.inf if row.ci_low is None else row.ci_low, row.ci_high
    needed = queries_needed(row.delta - allowed, low - allowed, high - allowed, queries, 0.0)
    if needed is not None and is_tail(row.metric):
        needed = max(needed, math.ceil(each * FEWEST_FOR_TAIL))
    least = detectable((high - low) / 2, error) if low > -math.inf else None
    return Prospect(row.metric, needed, least)


def hardest(prospects: Sequence[Prospect]) -> Prospect:
    """The one that takes most; the first where several do."""
    return max(prospects, key=lambda p: math.inf if p.queries_needed is None else p.queries_needed)
