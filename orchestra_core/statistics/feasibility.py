"""Is a configuration beyond a limit, or within it, surely? Percentiles by counting, means by t."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import bdtr, bdtrc, stdtrit

Samples = NDArray[np.float64]
_TINY = 1e-12


def percentile_exceeds(samples: Samples, limit: float, percentile: float, error: float) -> bool:
    """Whether the true percentile lies above `limit`, wrong with a chance of at most `error`.

    `samples`: float64 (n,), any unit, independent; `percentile`: 0..100. Were the limit kept, each
    sample would exceed it with a chance of at most 1 - percentile/100, so how many do is bounded by
    the binomial distribution (the sign test; Conover 1999, "Practical Nonparametric Statistics", 3.2).
    """
    above = int((samples > limit).sum())
    if above == 0:
        return False
    return bool(bdtrc(above - 1, samples.size, 1 - percentile / 100) <= error)


def percentile_within(samples: Samples, limit: float, percentile: float, error: float) -> bool:
    """Whether the true percentile is at most `limit`, wrong with a chance of at most `error`.

    The sign test of `percentile_exceeds` the other way round: were the percentile above the limit, each
    sample would exceed it with a chance of at least 1 - percentile/100. For a p95 at an error of 1e-4
    no fewer than 180 samples will do, however fast they were: nobody knows what the slowest take.
    """
    above = int((samples > limit).sum())
    return bool(bdtr(above, samples.size, 1 - percentile / 100) <= error)


def mean_exceeds(samples: Samples, limit: float, error: float) -> bool:
    """Whether the true mean lies above `limit`, by the one-sided bound of Student's t at `error`.

    `samples`: float64 (n,); fewer than two say nothing.
    """
    return samples.size >= 2 and -_upper(-samples, error) > limit


def _upper(samples: Samples, error: float) -> float:
    spread = float(samples.std(ddof=1)) / np.sqrt(samples.size)
    return float(samples.mean() + stdtrit(samples.size - 1, 1 - error) * spread)


def mean_within(samples: Samples, limit: float, error: float) -> bool:
    """Whether the true mean is at most `limit`: `mean_exceeds` the other way round."""
    return samples.size >= 2 and _upper(samples, error) <= limit


def no_cheaper(one: Samples, other: Samples, material: float, error: float) -> bool:
    """Whether `one` is not materially cheaper than `other`, wrong with a chance of at most `error`.

    Both float64 (n,), above 0, in one unit: what each request took. Compared are geometric means, since
    a percentile of some tens of requests cannot be bounded at such small errors; of a p95 that says
    nothing, unless the distributions are alike in shape. Materially: by more than the share `material`.
    Method: Student's t on logarithms with unequal variances (Welch 1947, Biometrika 34).
    """
    if min(one.size, other.size) < 2:
        return False
    ours, theirs = np.log(np.maximum(one, _TINY)), np.log(np.maximum(other, _TINY))
    parts = np.array([ours.var(ddof=1) / ours.size, theirs.var(ddof=1) / theirs.size])
    difference = float(ours.mean() - theirs.mean()) + float(np.log1p(material))
    if not parts.any():
        return difference > 0
    freedom = parts.sum() ** 2 / (parts**2 / [ours.size - 1, theirs.size - 1]).sum()
    return bool(difference > stdtrit(freedom, 1 - error) * np.sqrt(parts.sum()))
