"""What a run may still send: the budget's word before each request, and the seconds that are left."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from orchestra_core.errors import BudgetExhausted, RequestFailed


def unlimited() -> float:
    """Seconds left where nothing limits them."""
    return math.inf


def anything(_upcoming: int) -> None:
    """May be sent where nobody counts."""


@dataclass
class Allowance:
    """`left_s`: seconds left of stage and run. `may_send`: raises BudgetExhausted where so many further
    requests would be too many; it need not know of those that pass this door now.
    """

    left_s: Callable[[], float] = unlimited
    may_send: Callable[[int], None] = anything
    _under_way: int = 0
    """Sent for calls that have not returned: nobody else knows of them yet."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def take(self) -> None:
        """Take note of one request. Raises RequestFailed when none is left."""
        with self._lock:
            try:
                self.may_send(self._under_way + 1)
            except BudgetExhausted as error:
                raise RequestFailed("budget", error.message, hint=error.hint) from error
            self._under_way += 1

    def give_back(self, requests: int) -> None:
        """A call returns, and whoever made it can say what it took."""
        with self._lock:
            self._under_way -= requests

    def seconds(self, most: float) -> float:
        """`most`, or what is left. Raises RequestFailed when nothing is."""
        left = self.left_s()
        if left <= 0:
            raise too_late("it was up before the request was sent")
        return min(most, left)


def too_late(why: str) -> RequestFailed:
    """The failure of a request for which stage and run have no time left."""
    return RequestFailed(
        "deadline",
        f"the time of the stage or of the run does not suffice: {why}",
        hint="Raise limits.wall or limits.stage.",
    )
