"""No more requests per second than stated, evenly spaced, over all threads of a door."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from pyrate_limiter import StateBucket

BURST_S = 0.02
"""Requests of so many seconds may come at once: a clock of whole milliseconds needs some room."""
LONGEST_MS = 10**12
"""Between two requests: thirty years. Any rate can be stated; slower ones allow one request."""


class Pacer:
    """A permit per request, by the generic cell rate algorithm of pyrate-limiter.

    The library's bucket, without its `Limiter`, whose sleep nothing can end.
    """

    def __init__(self, per_second: float, clock: Callable[[], float] = time.monotonic) -> None:
        """`per_second`: 0 for no limit. `clock`: seconds."""
        self._bucket = _bucket(per_second) if per_second else None
        self._clock = clock
        self._lock = threading.Lock()

    def wait(self, seconds: float, sleep: Callable[[float], object] = time.sleep) -> bool:
        """Wait for a permit; False when `seconds` were not enough. `sleep` may raise to end it."""
        if self._bucket is None:
            return True
        ends = self._clock() + seconds
        while (rest := self._take(self._bucket)) > 0:
            left = ends - self._clock()
            if left <= 0:
                return False
            sleep(min(rest, left))
        return True

    def _take(self, bucket: StateBucket) -> float:
        """Seconds until there may be a permit; 0: one was taken."""
        from pyrate_limiter import RateItem

        with self._lock:
            item = RateItem("request", int(1000 * self._clock()))
            if bucket.put(item):
                return 0.0
            wait_ms = cast("int", bucket.waiting(item))  # no promise of one: the bucket is in memory
        return max(1, wait_ms) / 1000


def _bucket(per_second: float) -> StateBucket:
    from pyrate_limiter import Rate, StateBucket

    if per_second < 1:
        rate = Rate(1, min(LONGEST_MS, round(min(LONGEST_MS, 1000 / per_second))), burst=1)
    else:
        exact = Fraction(per_second).limit_denominator(1000)
        burst = ceil(per_second * BURST_S)
        rate = Rate(exact.numerator, exact.denominator * 1000, burst=burst)
    return StateBucket([rate])
