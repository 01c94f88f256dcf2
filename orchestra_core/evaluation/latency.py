"""Latency figures in milliseconds: percentiles of what was timed; failures count as missing."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from orchestra_core.metric_names import PERCENTILES
from orchestra_core.observation import LatencySample, Observation
from orchestra_core.probing.figures import LatencyFigure, TimedRequests
from orchestra_core.statistics.percentiles import percentile_estimates

CONFIDENCE = 0.95
"""Of the interval of one configuration's percentile."""


def latency_metrics(values_ms: NDArray[np.float64]) -> dict[str, float | None]:
    """p50, p95 and p99 of float64 (n,) in ms (linear interpolation); None for each when n is 0."""
    if values_ms.size == 0:
        return dict.fromkeys(PERCENTILES)
    found = np.percentile(values_ms, list(PERCENTILES.values()))
    return dict(zip(PERCENTILES, map(float, found), strict=True))


def timed_requests(samples: Sequence[LatencySample], *, seed: int = 0) -> TimedRequests:
    """What samples of one configuration come to, given in the order in which they were scheduled."""
    values = timed(samples)
    late = [max(0.0, 1000 * (s.sent_s - s.scheduled_s)) for s in samples]
    reasons = Counter(s.failure.reason for s in samples if s.failure is not None)
    return TimedRequests(
        requests=len(samples),
        answered=values.size,
        errors=dict(sorted(reasons.items())),
        latency=_figures(values, seed) if values.size >= 2 else {},
        confidence=CONFIDENCE,
        sent_late_ms=float(np.percentile(late, 99)) if late else None,
    )


def percentile_counting_failures(samples: Sequence[LatencySample], percentile: float) -> float | None:
    """The percentile in ms if what failed is endlessly slow; None where that makes it endless.

    Nearest rank, so that no figure lies between an answer and infinity. None for no samples too.
    """
    values = sorted(s.latency_ms if s.failure is None else math.inf for s in samples)
    if not values:
        return None
    found = values[max(0, math.ceil(len(values) * percentile / 100) - 1)]
    return found if math.isfinite(found) else None


def timed(items: Iterable[Observation | LatencySample]) -> NDArray[np.float64]:
    """Latencies of everything that was timed and did not fail, float64 of shape (n,), in ms."""
    values = [i.latency_ms for i in items if i.failure is None and i.latency_ms is not None]
    return np.array(values, dtype=np.float64)


def mean_breakdown(items: Iterable[Observation | LatencySample]) -> dict[str, float]:
    """Mean milliseconds per part over everything that did not fail."""
    sums: dict[str, list[float]] = {}
    for item in items:
        if item.failure is None:
            for part, milliseconds in item.breakdown_ms.items():
                sums.setdefault(part, []).append(milliseconds)
    return {part: float(np.mean(values)) for part, values in sorted(sums.items())}


def _figures(values_ms: NDArray[np.float64], seed: int) -> dict[str, LatencyFigure]:
    percentiles = list(PERCENTILES.values())
    found = percentile_estimates(values_ms, percentiles, confidence=CONFIDENCE, seed=seed)
    return {
        name: LatencyFigure(value=e.value, ci_low=e.ci_low, ci_high=e.ci_high)
        for name, e in zip(PERCENTILES, found, strict=True)
    }
