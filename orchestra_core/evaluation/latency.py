"""Latency figures in milliseconds: percentiles of what was timed; failures count as missing."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from orchestra_core.observation import LatencySample, Observation

PERCENTILES = {"p50_ms": 50.0, "p95_ms": 95.0, "p99_ms": 99.0}


def latency_metrics(values_ms: NDArray[np.float64]) -> dict[str, float | None]:
    """p50, p95 and p99 of float64 (n,) in ms (linear interpolation); None for each when n is 0."""
    if values_ms.size == 0:
        return dict.fromkeys(PERCENTILES)
    found = np.percentile(values_ms, list(PERCENTILES.values()))
    return dict(zip(PERCENTILES, map(float, found), strict=True))


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
