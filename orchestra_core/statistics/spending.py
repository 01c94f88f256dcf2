"""How much error each look at a growing sample may spend, and how many queries would settle it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import NormalDist


def spend(alpha: float, looks: Sequence[int]) -> list[float]:
    """Two-sided error for each look, summing to `alpha`.

    `looks`: cumulative sample sizes, rising. All but the last follow the O'Brien-Fleming-type
    spending function of Lan & DeMets (1983); what remains goes to the last. Using each part as a plain
    level is conservative (union bound), and needs no joint distribution of the looks.
    """
    normal = NormalDist()
    z = normal.inv_cdf(1 - alpha / 2)
    spent = [2 * normal.cdf(-z / math.sqrt(size / looks[-1])) for size in looks]
    return [now - before for before, now in zip([0.0, *spent[:-1]], spent, strict=True)]


def queries_needed(delta: float, half_width: float, queries: int, epsilon: float) -> int | None:
    """Queries after which an interval around `delta` would exclude zero or lie within ±epsilon.

    `half_width`: of the present interval at `queries`; it shrinks with the square root of n.
    None when `delta` is so near to zero or epsilon that no sample settles it.
    """
    distances = [abs(delta), epsilon - abs(delta)]
    reachable = [d for d in distances if d > 1e-9]
    if not reachable or half_width <= 0:
        return None
    return math.ceil(queries * (half_width / max(reachable)) ** 2)


def ties_needed(confidence: float, epsilon: float) -> int | None:
    """Queries after which arms that have never differed are within ±epsilon of each other.

    The counterpart of `queries_needed` for an interval that shrinks with n, not with its root. None
    when `epsilon` is 0.
    """
    if epsilon <= 0:
        return None
    return math.ceil(math.log((1 - confidence) / 2) / math.log1p(-min(epsilon, 0.5)))
