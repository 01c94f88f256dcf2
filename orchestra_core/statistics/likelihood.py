"""Intervals for a mean of bounded values from their empirical likelihood; no resampling."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
UNSEEN = 0.1
"""Weight, in queries, of a difference as large as can be, on either side, that nobody saw."""
_NEAR = 1e-9


def likelihood_interval(
    values: Floats, *, confidence: float = 0.95, span: float = 1.0
) -> tuple[float, float]:
    """Interval for the mean of float64 (n,), n ≥ 2, each within ±span and not all alike.

    Holds every mean that some distribution on [-span, span] makes likely enough: empirical likelihood
    (Owen 1988), with mass allowed on the bounds even where nothing was observed there (as in Honda &
    Takemura 2010), calibrated by Student's t squared in place of chi-squared. Like Agresti & Min (2005)
    for matched proportions it adds pseudo-observations: `UNSEEN` of one on either bound. Without them
    the interval is too short where only a few values differ from zero; their weight was chosen by
    measured coverage (benchmarks/claims/verdicts.py).
    """
    from scipy import stats

    seen, counts = np.unique(np.clip(values / span, -1, 1), return_counts=True)
    points = np.append(seen, [-1.0, 1.0])
    weights = np.append(counts.astype(np.float64), [UNSEEN, UNSEEN])
    threshold = float(stats.t.ppf((1 + confidence) / 2, values.size - 1)) ** 2
    high = _bound(points, weights, threshold)
    low = -_bound(-points, weights, threshold)
    # The pseudo-observations pull towards zero; the observed mean is inside all the same.
    mean = float(values.mean())
    return min(low * span, mean), max(high * span, mean)


def _bound(points: Floats, weights: Floats, threshold: float) -> float:
    """The largest mean below 1 whose likelihood ratio stays within the threshold."""
    from scipy.optimize import brentq

    def excess(mean: float) -> float:
        return 2 * _log_ratio(points, weights, mean) - threshold

    middle, top = float(points @ weights / weights.sum()), 1 - _NEAR
    return float(brentq(excess, middle, top, xtol=1e-10)) if excess(top) > 0 else 1.0


def _log_ratio(points: Floats, weights: Floats, mean: float) -> float:
    """Log likelihood lost by insisting on `mean` (at or above the weighted one): the dual problem.

    Maximises the sum of weights · log(1 - a (points - mean)) over a in [0, 1 / (1 - mean)]; concave, so
    its slope is bisected by Newton steps that stay in the bracket.
    """
    away = mean - points
    low, high, a = 0.0, 1 / (1 - mean), 0.0
    for _ in range(60):
        ratio = away / (1 + a * away)
        slope = float(weights @ ratio)
        low, high = (a, high) if slope > 0 else (low, a)
        step = a + slope / float(weights @ ratio**2)
        following = step if low < step < high else (low + high) / 2
        if math.isclose(following, a, rel_tol=1e-10, abs_tol=1e-12):
            break
        a = following
    return float(weights @ np.log1p(a * away))
