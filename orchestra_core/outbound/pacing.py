"""No more requests per second than stated, evenly spaced, over all threads of a door."""

from __future__ import annotations

from fractions import Fraction
from math import ceil

BURST_S = 0.02
"""Requests of so many seconds may come at once: a clock of whole milliseconds needs some room."""


class Pacer:
    """A permit per request, by the generic cell rate algorithm of pyrate-limiter."""

    def __init__(self, per_second: float) -> None:
        """`per_second`: 0 for no limit."""
        self._limiter = _limiter(per_second) if per_second else None

    def wait(self, seconds: float) -> bool:
        """Wait for a permit; False when `seconds` were not enough."""
        if self._limiter is None:
            return True
        return bool(self._limiter.try_acquire("request", timeout=max(0.0, seconds)))


def _limiter(per_second: float):  # type: ignore[no-untyped-def]  # noqa: ANN202
    from pyrate_limiter import Limiter, Rate, StateBucket
    from pyrate_limiter.limiter import SingleBucketFactory

    exact = Fraction(per_second).limit_denominator(1000)
    burst = max(1, ceil(per_second * BURST_S))
    rate = Rate(exact.numerator, exact.denominator * 1000, burst=burst)
    # A bucket of constant state has nothing to leak, so the library's thread for it is not started.
    return Limiter(SingleBucketFactory(StateBucket([rate]), schedule_leak=False), buffer_ms=0)
