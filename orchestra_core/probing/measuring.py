"""One configuration at one load."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import overload

from orchestra_core.evaluation.latency import percentile_counting_failures, timed_requests
from orchestra_core.observation import BACKOFF, LatencySample, Query
from orchestra_core.probing.figures import LoadFigures
from orchestra_core.runner import Load

MOSTLY = 0.95
"""When so large a share of the answers is there, `achieved_rate` does not wait for the rest."""


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
    requests = timed_requests(found, seed=seed)
    sent = [sample.sent_s for sample in found if sample.attempts]
    again = [sample for sample in found if sample.attempts > 1]
    return LoadFigures(
        **dict(requests),
        mode=load.mode,
        concurrency=load.concurrency if load.mode == "closed" else None,
        rate=load.rate if load.mode == "open" else None,
        arrivals=load.arrivals if load.mode == "open" else None,
        seconds=max(map(_ended_s, found), default=0.0),
        scheduled_rate=_per_second([sample.scheduled_s for sample in found]),
        sent_rate=_per_second(sent),
        achieved_rate=_achieved_rate(found),
        repeated=len(again),
        backoff_ms=_mean([sample.breakdown_ms.get(BACKOFF, 0.0) for sample in again]),
        p95_with_errors_ms=percentile_counting_failures(found, 95),
    )


def _ended_s(sample: LatencySample) -> float:
    """Really: latency leaves out for how long an allowed rate held the request back."""
    return sample.scheduled_s + (sample.latency_ms + sample.held_ms) / 1000


def _per_second(moments: Sequence[float]) -> float | None:
    """From the first to the last of these, in seconds; None where no time lies between them."""
    seconds = max(moments, default=0.0) - min(moments, default=0.0)
    return (len(moments) - 1) / seconds if seconds > 0 else None


def _achieved_rate(samples: Sequence[LatencySample]) -> float | None:
    """As `LoadFigures.achieved_rate` says.

    Answers lie as far apart as requests where a target keeps up, however slow it is, and farther where
    a queue grows. The last twentieth of them is not waited for: a single slow one at the end would pass
    for a long silence. But while requests are sent, silence counts.
    """
    if len({sample.scheduled_s for sample in samples}) < 2:
        return None
    answers = sorted(_ended_s(sample) for sample in samples if sample.failure is None)
    if not answers:
        return 0.0
    there = answers[math.ceil(len(answers) * MOSTLY) - 1]
    until = max(there, *(sample.sent_s for sample in samples))
    counted = bisect_right(answers, until)
    return (counted - 1) / (until - answers[0]) if until > answers[0] else None


def _mean(values: Sequence[float]) -> float | None:
    return math.fsum(values) / len(values) if values else None
