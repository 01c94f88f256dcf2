"""One configuration at one load."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import cycle, islice

from orchestra_core.evaluation.latency import percentile_counting_failures, timed_requests
from orchestra_core.observation import LatencySample, Query
from orchestra_core.probing.figures import LoadFigures
from orchestra_core.runner import Load


def queries_for(queries: Sequence[Query], count: int) -> list[Query]:
    """As many queries as requests are wanted; beyond the last one it begins anew."""
    return list(islice(cycle(queries), count))


def requests_in(load: Load, seconds: float) -> int:
    """How many arrivals an open load has in so many seconds; at least two."""
    return max(2, math.ceil(load.rate * seconds))


def figures_of(samples: Iterable[LatencySample], load: Load, *, seed: int = 0) -> LoadFigures:
    """What the samples of one load come to, in whatever order; also of part of a probe."""
    found = sorted(samples, key=lambda sample: sample.scheduled_s)
    seconds = max((s.scheduled_s + s.latency_ms / 1000 for s in found), default=0.0)
    requests = timed_requests(found, seed=seed)
    return LoadFigures(
        **dict(requests),
        mode=load.mode,
        concurrency=load.concurrency if load.mode == "closed" else None,
        rate=load.rate if load.mode == "open" else None,
        arrivals=load.arrivals if load.mode == "open" else None,
        seconds=seconds,
        achieved_rate=requests.answered / seconds if seconds > 0 else None,
        p95_with_errors_ms=percentile_counting_failures(found, 95),
    )
