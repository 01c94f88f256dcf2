"""Judge two arms by their per-query scores, look by look; arrays in, verdict out.

Used by the A/B stage on what it has just measured, and by the benchmarks on resampled scores: both go
through the same functions, so what is measured of the procedure holds for runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from orchestra_core.errors import TooFewQueries
from orchestra_core.fields import Margin
from orchestra_core.report import MetricDifference
from orchestra_core.statistics.paired import Scores, holm, mean_interval, paired_difference
from orchestra_core.statistics.spending import (
    detectable,
    queries_needed,
    short_of_rejecting,
    ties_needed,
)
from orchestra_core.statistics.verdict import Second, Settled, gained, settle


@dataclass(frozen=True, slots=True)
class Arms:
    """Metric → float64 (n_queries,) per arm, aligned by query; the objective is the first metric."""

    baseline: Mapping[str, Scores]
    challenger: Mapping[str, Scores]

    def take(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> Arms:
        """The arms on some of the queries."""
        return Arms(
            {name: values[rows] for name, values in self.baseline.items()},
            {name: values[rows] for name, values in self.challenger.items()},
        )

    @property
    def objective(self) -> str:
        """The first metric."""
        return next(iter(self.baseline))

    @property
    def difference(self) -> Scores:
        """Objective per query, challenger - baseline; float64 (n_queries,)."""
        return self.challenger[self.objective] - self.baseline[self.objective]


@dataclass(frozen=True, slots=True)
class Rules:
    """What is the same at every look."""

    confidence: float = 0.95
    """Of all looks together."""
    epsilon: float = 0.005
    margins: Mapping[str, Margin] = field(default_factory=dict)
    seed: int = 0
    second: Second | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """What one look says."""

    settled: Settled
    rows: tuple[MetricDifference, ...]
    """Quality, the objective first."""
    queries: int
    error: float
    """What this look might spend."""
    queries_needed: int | None
    """For a quality that is inconclusive: in all; None where no number of queries settles it."""
    detectable: float

    @property
    def is_final(self) -> bool:
        """False when another look could settle it, even if nothing says how many queries it takes."""
        return self.settled.kind != "inconclusive" or not self.settled.by_quality


def judge(arms: Arms, rules: Rules, error: float, others: Sequence[MetricDifference] = ()) -> Judgement:
    """One look that may spend `error`; `others` are latency and cost rows for the margins.

    Raises MisalignedQueries, TooFewQueries.
    """
    rows = quality_rows(arms, rules, error)
    settled = settle(rows[0], others, rules.margins, rules.epsilon, rules.second)
    queries, half_width = arms.difference.size, _half_width(rows[0])
    needed, near = None, rules.epsilon
    if rules.second and gained(others, rules.second.metric):
        near = max(near, rules.second.tolerance)
    if settled.kind == "inconclusive" and settled.by_quality:
        if arms.difference.any():
            needed = _needed(arms.difference, rows[0], replace(rules, epsilon=near), error)
        else:
            needed = ties_needed(1 - error, near)
    return Judgement(settled, rows, queries, error, needed, detectable(half_width, error))


def last_look(looks: Iterable[Judgement | None]) -> tuple[int, Judgement]:
    """How many looks it took until one was final or none was left, and what the last one said.

    None is a look that came too early to test. Later looks are never even taken.
    Raises TooFewQueries when no look could test.
    """
    count, last = 0, None
    for judgement in looks:
        count, last = count + 1, judgement or last
        if judgement is not None and judgement.is_final:
            break
    if last is None:
        raise TooFewQueries("no look had queries enough to test")
    return count, last


def quality_rows(arms: Arms, rules: Rules, error: float) -> tuple[MetricDifference, ...]:
    """One row per metric; intervals at 1 - error, p-values for all looks and metrics together.

    A p-value counts for the share of the error that its look may spend: it is multiplied by
    (1 - confidence) / error. So `p ≤ 1 - confidence` means the same at all looks. The objective is
    tested first, for itself; the others only behind it: Holm's adjustment among them, and none is below
    the objective's (fixed sequence; Maurer, Hothorn & Lehmacher 1995, Westfall & Krishen 2001). That
    keeps the chance of any wrong rejection at 1 - confidence, and the objective's p-value agrees with
    its interval.
    """
    found = [
        paired_difference(a, arms.challenger[name], confidence=1 - error, seed=rules.seed)
        for name, a in arms.baseline.items()
    ]
    share = (1 - rules.confidence) / error
    first, *others = (min(1.0, share * (1.0 if d.p_value is None else d.p_value)) for d in found)
    adjusted = [first, *(max(first, p_value) for p_value in holm(others))]
    return tuple(
        MetricDifference(
            metric=name,
            baseline=float(arms.baseline[name].mean()),
            challenger=float(arms.challenger[name].mean()),
            delta=difference.delta,
            ci_low=difference.ci_low,
            ci_high=difference.ci_high,
            p_value=p_value,
            confidence=1 - error,
        )
        for name, difference, p_value in zip(arms.baseline, found, adjusted, strict=True)
    )


def _needed(difference: Scores, row: MetricDifference, rules: Rules, error: float) -> int | None:
    """Queries for interval and test to settle it; the row's own interval may be stretched to zero."""
    low, high = mean_interval(difference, confidence=1 - error)
    p_value = (1.0 if row.p_value is None else row.p_value) * error / (1 - rules.confidence)
    return queries_needed(
        row.delta or 0.0,
        low,
        high,
        difference.size,
        rules.epsilon,
        short_of=short_of_rejecting(p_value, error),
    )


def _half_width(row: MetricDifference) -> float:
    return ((row.ci_high or 0.0) - (row.ci_low or 0.0)) / 2
