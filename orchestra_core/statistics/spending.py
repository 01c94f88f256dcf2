"""How much error each look at a growing sample may spend, and how many queries would settle it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist

SMALLEST_SHARE = 0.001
"""Ten of the 9,999 random flips behind a p-value."""


def spend(alpha: float, looks: Sequence[int]) -> list[float]:
    """Two-sided error for each look, summing to `alpha`.

    `looks`: cumulative sample sizes, rising. All but the last follow the O'Brien-Fleming-type
    spending function of Lan & DeMets (1983); what remains goes to the last. A look whose share would
    be below `SMALLEST_SHARE` gets nothing (do not test then), since no p-value could resolve it.
    Using each part as a plain level is conservative (union bound), and needs no joint distribution.
    """
    normal = NormalDist()
    z = normal.inv_cdf(1 - alpha / 2)
    spent = [2 * normal.cdf(-z / math.sqrt(size / looks[-1])) for size in looks]
    shares: list[float] = []
    for size, total in zip(looks, spent, strict=True):
        share = total - sum(shares)
        shares.append(share if share >= SMALLEST_SHARE or size == looks[-1] else 0.0)
    return shares


def queries_needed(
    delta: float,
    low: float,
    high: float,
    queries: int,
    epsilon: float,
    *,
    short_of: float = 0.0,
) -> int | None:
    """Queries after which the interval [low, high] around `delta` would settle the question.

    Settled: it excludes zero, or lies within ±epsilon. Each arm of the interval shrinks with the
    square root of n. `short_of`: how many times farther from zero the difference would have to be for
    its test to reject zero, see `short_of_rejecting`; 0: the interval alone decides. Always more than
    `queries`; None when `delta` is so near to both borders that no sample settles it.
    """
    nearer_zero = delta - low if delta > 0 else high - delta
    ways = [
        (max(nearer_zero, short_of * abs(delta)), abs(delta)),
        (max(high - delta, delta - low), epsilon - abs(delta)),
    ]
    found = [queries * (arm / room) ** 2 for arm, room in ways if room > 1e-9 and arm < math.inf]
    return max(queries + 1, math.ceil(min(found))) if found else None


def short_of_rejecting(p_value: float, error: float) -> float:
    """By how much a z-statistic of this two-sided p-value falls short of that of `error`, as a ratio.

    Above 1 where the test does not reject; infinite at a p-value of 1.
    """
    normal = NormalDist()
    reached = -normal.inv_cdf(min(p_value, 1.0) / 2)
    return -normal.inv_cdf(error / 2) / reached if reached > 1e-9 else math.inf


def ties_needed(confidence: float, epsilon: float) -> int | None:
    """Queries after which arms that have never differed are within ±epsilon of each other.

    The counterpart of `queries_needed` for an interval that shrinks with n, not with its root. None
    when `epsilon` is 0.
    """
    if epsilon <= 0:
        return None
    return math.ceil(math.log((1 - confidence) / 2) / math.log1p(-min(epsilon, 0.5)))


def answers_needed(failed: float, tail: float, error: float) -> int | None:
    """Requests after which a share `failed` of failures would surely be smaller than `tail`.

    While they may be more, a percentile that leaves `tail` of the requests above it may be one of
    them. Normal approximation, two-sided at 1 - `error`; None when `failed` is no smaller than `tail`.
    """
    if failed >= tail:
        return None
    critical = NormalDist().inv_cdf(1 - error / 2)
    return math.ceil(critical**2 * failed * (1 - failed) / (tail - failed) ** 2)


def detectable(half_width: float, error: float, power: float = 0.8) -> float:
    """The smallest true difference that an interval so wide excludes from zero with chance `power`.

    `half_width`: of a two-sided interval at 1 - error, in the metric's unit; normal approximation, as
    for a minimum detectable effect (Bloom 1995).
    """
    normal = NormalDist()
    critical = normal.inv_cdf(1 - error / 2)
    return half_width * (critical + normal.inv_cdf(power)) / critical
