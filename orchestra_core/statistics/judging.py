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
from orchestra_core.statistics.paired import PairedDifference, Scores, holm, paired_difference
from orchestra_core.statistics.prospects import (
    FEWEST_FOR_TAIL,
    Prospect,
    Timed,
    hardest,
    least_shown,
    of_margin,
    of_quality,
)
from orchestra_core.statistics.verdict import Second, Settled, gained, settle

NOTHING_TIMED = Timed()


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
    prospect: Prospect | None
    """Of the metric that keeps it inconclusive, the hardest of several; None where no metric does. Of
    the objective, without `queries_needed`, where it is settled."""

    @property
    def is_final(self) -> bool:
        """False when another look could settle it, even if nothing says how many queries it takes."""
        return self.settled.kind != "inconclusive"

    def doubted(self, reason: str) -> Judgement:
        """Inconclusive by what more queries alone do not mend."""
        told = f"{self.settled.reason}, but {reason}"
        settled = Settled("inconclusive", told, (), self.settled.warnings)
        return replace(self, settled=settled, prospect=None)


def judge(arms: Arms, rules: Rules, error: float, timed: Timed = NOTHING_TIMED) -> Judgement:
    """One look that may spend `error`; `timed`, with intervals at 1 - `error`, is for the margins.

    Raises MisalignedQueries, TooFewQueries.
    """
    found = [
        paired_difference(a, arms.challenger[name], confidence=1 - error, seed=rules.seed)
        for name, a in arms.baseline.items()
    ]
    rows = _quality_rows(arms, rules, error, found)
    settled = settle(rows[0], timed.rows, rules.margins, rules.epsilon, rules.second)
    settled = _doubt_tails(settled, timed, rules)
    ahead = [_prospect(name, arms, rules, error, found[0], timed) for name in settled.undecided]
    return Judgement(
        settled,
        rows,
        arms.difference.size,
        error,
        hardest(ahead) if ahead else Prospect(arms.objective, None, least_shown(found[0], error)),
    )


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


def _quality_rows(
    arms: Arms, rules: Rules, error: float, found: Sequence[PairedDifference]
) -> tuple[MetricDifference, ...]:
    """One row per metric; intervals at 1 - error, p-values for all looks and metrics together.

    A p-value counts for the share of the error that its look may spend: it is multiplied by
    (1 - confidence) / error. So `p ≤ 1 - confidence` means the same at all looks. The objective is
    tested first, for itself; the others only behind it: Holm's adjustment among them, and none is below
    the objective's (fixed sequence; Maurer, Hothorn & Lehmacher 1995, Westfall & Krishen 2001). That
    keeps the chance of any wrong rejection at 1 - confidence, and the objective's p-value agrees with
    its interval.
    """
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


def _doubt_tails(settled: Settled, timed: Timed, rules: Rules) -> Settled:
    """A win needs `FEWEST_FOR_TAIL` timed requests where a tail decides: its margin, or its gain."""
    gain = (rules.second.metric,) if rules.second else ()
    tail = timed.too_few_for((*rules.margins, *gain))
    if settled.kind != "win" or tail is None:
        return settled
    told = f"{timed.requests} timed requests are too few for {tail}; at least {FEWEST_FOR_TAIL}"
    return Settled("inconclusive", f"{settled.reason}, but {told}", (tail,), settled.warnings)


def _prospect(
    metric: str, arms: Arms, rules: Rules, error: float, found: PairedDifference, timed: Timed
) -> Prospect:
    """What it takes to settle one metric; `found` is of the objective."""
    row, margin = timed.row(metric), rules.margins.get(metric)
    if metric != arms.objective and row is not None:
        allowed = margin.allowed(row.baseline or 0.0) if margin else 0.0
        return of_margin(row, allowed, timed, arms.difference.size, error)
    near = rules.epsilon
    if rules.second and gained(timed.rows, rules.second.metric):
        near = max(near, rules.second.tolerance)
    return of_quality(metric, arms.difference, found, near, error)
