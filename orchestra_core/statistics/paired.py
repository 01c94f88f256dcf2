"""Paired comparison of two arms on the same queries."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from orchestra_core.errors import MisalignedQueries, TooFewQueries

Scores = NDArray[np.float64]
RESAMPLES = 9999
CELLS_AT_ONCE = 4_000_000
"""Resampled values held in memory at a time (32 MB)."""


@dataclass(frozen=True, slots=True)
class PairedDifference:
    """challenger - baseline, in the metric's unit."""

    delta: float
    ci_low: float
    ci_high: float
    p_value: float | None
    """Two-sided; None where only an interval was asked for."""


def paired_difference(
    baseline: Scores,
    challenger: Scores,
    *,
    confidence: float = 0.95,
    seed: int = 0,
    span: float | None = 1.0,
) -> PairedDifference:
    """Mean per-query difference (challenger - baseline) with its interval.

    Both arrays are float64 of shape (n_queries,), aligned by query. `span`: no difference exceeds it
    (1 for a quality of 0..1; None where that is not known, as for costs).
    Raises MisalignedQueries when the shapes differ, TooFewQueries below 2.
    Interval: BCa bootstrap (Efron 1987). p-value: sign-flip randomisation (Smucker et al. 2007).
    Where every query moved alike, resampling would see no doubt at all; the interval then allows for
    the largest share of queries that could move otherwise without one being among these.
    """
    from scipy import stats

    _check(baseline, challenger)
    difference = challenger - baseline
    delta = float(difference.mean())
    if np.ptp(difference) == 0:  # every query moved alike: nothing to resample
        p_value = 1.0 if delta == 0 else 2.0 ** (1 - difference.size)
        low, high = _constant_interval(delta, difference.size, confidence, span)
        return PairedDifference(delta, low, high, p_value)
    rng = np.random.default_rng(seed)
    batch = max(1, CELLS_AT_ONCE // difference.size)
    interval = stats.bootstrap(
        (difference,), np.mean, n_resamples=RESAMPLES, confidence_level=confidence, rng=rng, batch=batch
    ).confidence_interval
    test = stats.permutation_test(
        (difference,),
        np.mean,
        permutation_type="samples",
        n_resamples=RESAMPLES,
        rng=rng,
        batch=batch,
    )
    return PairedDifference(delta, float(interval.low), float(interval.high), float(test.pvalue))


def _constant_interval(
    delta: float, queries: int, confidence: float, span: float | None
) -> tuple[float, float]:
    """Clopper & Pearson (1934) for none of `queries` being different, times the most each could be."""
    if span is None:
        return delta, delta
    unseen = 1 - ((1 - confidence) / 2) ** (1 / queries)
    middle = (1 - unseen) * delta
    return max(-span, middle - unseen * span), min(span, middle + unseen * span)


def percentile_difference(
    baseline: Scores, challenger: Scores, percentile: float, *, confidence: float = 0.95, seed: int = 0
) -> PairedDifference:
    """Difference of one latency percentile (challenger - baseline), resampled by query.

    Both arrays are float64 of shape (n,), in ms, aligned: the i-th entries timed the same query.
    Raises MisalignedQueries, TooFewQueries. Interval: percentile bootstrap; the p-value is None.
    """
    from scipy import stats

    _check(baseline, challenger)
    statistic = partial(_difference_of_percentiles, percentile=percentile)
    interval = stats.bootstrap(
        (baseline, challenger),
        statistic,
        paired=True,
        vectorized=True,
        n_resamples=1999,
        batch=max(1, CELLS_AT_ONCE // baseline.size),
        confidence_level=confidence,
        method="percentile",
        rng=np.random.default_rng(seed),
    ).confidence_interval
    delta = float(statistic(baseline, challenger, axis=-1))
    return PairedDifference(delta, float(interval.low), float(interval.high), None)


def _difference_of_percentiles(
    baseline: Scores, challenger: Scores, axis: int, *, percentile: float
) -> NDArray[np.float64]:
    high: NDArray[np.float64] = np.percentile(challenger, percentile, axis=axis)
    return high - np.percentile(baseline, percentile, axis=axis)


def _check(baseline: Scores, challenger: Scores) -> None:
    if baseline.shape != challenger.shape:
        raise MisalignedQueries(
            f"the arms have {baseline.size} and {challenger.size} queries; a paired test needs the same"
        )
    if baseline.size < 2:
        raise TooFewQueries(f"{baseline.size} queries are too few for an interval; at least 2")


def holm(p_values: list[float]) -> list[float]:
    """Holm's step-down adjustment of p-values (Holm 1979), in the given order."""
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    adjusted = [0.0] * len(p_values)
    running = 0.0
    for rank, index in enumerate(order):
        running = max(running, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = running
    return adjusted
