"""Paired comparison of two arms on the same queries."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestra_core.errors import MisalignedQueries, TooFewQueries
from orchestra_core.statistics.likelihood import likelihood_interval
from orchestra_core.statistics.percentiles import resampled_stretches

Scores = NDArray[np.float64]
RESAMPLES = 9999
CELLS_AT_ONCE = 4_000_000
"""Resampled values held in memory at a time (32 MB)."""
_EXACT = 13
_HUGE = 1e300
"""Stands for infinity where figures are interpolated, which infinity does not bear."""


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
    Interval: `mean_interval`, which is stretched to zero where the p-value does not reject zero at its
    level: the test is exact where the interval is an approximation, and so the two always agree.
    p-value: sign-flip randomisation (Smucker et al. 2007).
    """
    _check(baseline, challenger)
    difference = challenger - baseline
    delta = float(difference.mean())
    low, high = mean_interval(difference, confidence=confidence, span=span)
    p_value = sign_flip_p_value(difference, seed)
    if p_value > 1 - confidence:  # a test that cannot tell the arms apart, and an interval that could
        low, high = min(low, 0.0), max(high, 0.0)
    return PairedDifference(delta, low, high, p_value)


def mean_interval(
    difference: Scores, *, confidence: float = 0.95, span: float | None = 1.0
) -> tuple[float, float]:
    """Interval for the mean of paired differences, float64 (n,), n ≥ 2; `span` as above.

    Empirical likelihood on bounded differences (Owen 1988; `likelihood_interval`), which covers where a
    BCa bootstrap does not: where few queries differ. Where every query moved alike the interval allows
    for the largest share of queries that could move otherwise without one being among these.
    """
    if np.ptp(difference) == 0:
        return _constant_interval(float(difference[0]), difference.size, confidence, span)
    widest = max(float(np.abs(difference).max()), span or 0.0)
    return likelihood_interval(difference, confidence=confidence, span=widest)


def sign_flip_p_value(difference: Scores, seed: int = 0) -> float:
    """Two-sided: how often the mean is as far from zero when each difference may have the other sign.

    float64 (n,). Exact up to 13 differences other than zero (Fisher 1935), else from 9,999 random
    flips with the observed one counted in (Smucker, Allan & Carterette 2007), so it is never zero.
    """
    sizes = np.abs(difference[difference != 0])
    observed = abs(float(difference.sum())) - 1e-9 * float(sizes.sum())
    if sizes.size <= _EXACT:
        sums = np.zeros(1)
        for size in sizes:
            sums = np.concatenate([sums + size, sums - size])
        return float((np.abs(sums) >= observed).mean())
    rng, extreme, left = np.random.default_rng(seed), 0, RESAMPLES
    while left:
        rows = min(left, max(1, CELLS_AT_ONCE // sizes.size))
        flips = rng.integers(0, 2, (rows, sizes.size), dtype=np.int8)
        sums = 2 * (flips.astype(np.float64) @ sizes) - sizes.sum()
        extreme, left = extreme + int((np.abs(sums) >= observed).sum()), left - rows
    return float((1 + extreme) / (1 + RESAMPLES))


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

    Both arrays are float64 of shape (n,), in ms, aligned: the i-th entries timed the same query. They
    are in the order of time, and whole stretches are resampled, since neighbours in a queue are alike.
    A request that failed is infinite; so then may be any figure. An endless challenger is infinitely
    worse, whatever the baseline.
    Raises MisalignedQueries, TooFewQueries. Interval: circular block bootstrap (Politis & Romano
    1992); the p-value is None.
    """
    _check(baseline, challenger)
    places = resampled_stretches(baseline.size, np.random.default_rng(seed))
    found = np.concatenate([_apart(baseline[at], challenger[at], percentile) for at in places])
    tail = 100 * (1 - confidence) / 2
    low, high = (float(endless_percentile(found, place)) for place in (tail, 100 - tail))
    delta = float(_apart(baseline, challenger, percentile))
    return PairedDifference(delta, low, high, None)


def endless_percentile(values: Scores, percentile: float) -> NDArray[np.float64]:
    """A percentile over the last axis, by linear interpolation, of figures that may be infinite."""
    found = np.percentile(np.clip(values, -_HUGE, _HUGE), percentile, axis=-1)
    return np.where(np.abs(found) < _HUGE / 1e9, found, np.copysign(np.inf, found))


def _apart(baseline: Scores, challenger: Scores, percentile: float) -> NDArray[np.float64]:
    slow, quick = endless_percentile(challenger, percentile), endless_percentile(baseline, percentile)
    return np.where(np.isinf(slow), np.inf, slow - np.where(np.isinf(slow), 0.0, quick))


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
