"""Where to look for the highest rate that keeps a limit. Knows no target and no clock."""

from __future__ import annotations

import math
from collections.abc import Generator

GROWTH = 2.0
PRECISION = 0.1
"""The search is over when the rate that failed is within this share of the one that held."""
LOWEST = 0.1
"""Requests per second; below this a target that fails is not asked any further."""


def climb(start: float) -> Generator[float, bool, None]:
    """Rates to try, per second; send back whether each kept the limit.

    Doubles from `start` until a rate fails (halves until one holds, if `start` fails), then takes the
    geometric middle of the two until they are within `PRECISION` of each other.
    """
    held, failed = 0.0, math.inf
    rate = start
    while rate >= LOWEST:
        if (yield rate):
            held = rate
        else:
            failed = rate
        if failed <= held * (1 + PRECISION):
            return
        rate = _next_rate(held, failed)


def _next_rate(held: float, failed: float) -> float:
    if failed == math.inf:
        return held * GROWTH
    if held == 0:
        return failed / GROWTH
    return math.sqrt(held * failed)
