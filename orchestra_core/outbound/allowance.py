"""What a run may still send: requests, and seconds until its stage or itself must be over."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from orchestra_core.errors import RequestFailed


@dataclass
class Allowance:
    """`requests` in all, repetitions included; `left_s`: seconds left of stage and run."""

    requests: int
    left_s: Callable[[], float]
    sent: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self) -> None:
        """Take note of one request. Raises RequestFailed when there are none left."""
        with self._lock:
            if self.sent >= self.requests:
                raise RequestFailed(
                    "budget",
                    f"the run has sent its {self.requests:,} requests",
                    hint="Raise limits.requests; repetitions count.",
                )
            self.sent += 1

    def seconds(self, most: float) -> float:
        """`most`, or what is left. Raises RequestFailed when nothing is."""
        left = self.left_s()
        if left <= 0:
            raise too_late("it was up before the request was sent")
        return min(most, left)


def unlimited() -> float:
    """Seconds left where nothing limits them."""
    return math.inf


def too_late(why: str) -> RequestFailed:
    """The failure of a request for which stage and run have no time left."""
    return RequestFailed(
        "deadline",
        f"the time of the stage or of the run does not suffice: {why}",
        hint="Raise limits.wall or limits.stage.",
    )
