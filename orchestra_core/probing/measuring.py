"""One configuration at one load."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import overload

from orchestra_core.evaluation.latency import percentile_counting_failures, timed_requests
from orchestra_core.observation import LatencySample, Query
from orchestra_core.probing.figures import LoadFigures
from orchestra_core.runner import Load


class Cycled(Sequence[Query]):
    """As many queries as requests are wanted; beyond the last one they begin anew. Holds no copies."""

    def __init__(self, queries: Sequence[Query], count: int) -> None:
        self._queries, self._places = queries, range(count)

    def __len__(self) -> int:
        return len(self._places)

    @overload
    def __getitem__(self, place: int) -> Query: ...

    @overload
    def __getitem__(self, place: slice) -> list[Query]: ...

    def __getitem__(self, place: int | slice) -> Query | list[Query]:
        if isinstance(place, slice):
            return [self[one] for one in self._places[place]]
        return self._queries[self._places[place] % len(self._queries)]


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
