"""How many requests may be under way at one target: more while it copes, half when it says no."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

CEILING = 512.0


@dataclass
class Slots:
    """Additive increase, multiplicative decrease (as in TCP). Safe to use from several threads.

    The limit starts at the ceiling, so callers alone decide how much is under way. A refusal (429, 503
    or a timeout) halves what was under way then; after that each whole round of answers allows one
    more. Refusals of requests that were sent before the last halving say nothing new.
    """

    limit: float = CEILING
    under_way: int = 0
    _halved_at: float = -1.0
    _closed: bool = False
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def take(self, seconds: float) -> bool:
        """Wait for a slot; False when `seconds` were not enough, or there will be none any more."""
        with self._changed:
            if self.under_way >= int(self.limit):
                self._changed.wait_for(self._may_go_on, max(0.0, seconds))
            if self._closed or self.under_way >= int(self.limit):
                return False
            self.under_way += 1
            return True

    def close(self) -> None:
        """Give out no more; whoever waits is told so."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _may_go_on(self) -> bool:
        return self._closed or self.under_way < int(self.limit)

    def give_back(self, began: float = 0.0, *, refused: bool | None = None) -> None:
        """The request that began at `began` (monotonic seconds) is over; None: it was not sent."""
        with self._changed:
            if refused and began >= self._halved_at:
                self.limit = max(1.0, min(self.limit, self.under_way) / 2)
                self._halved_at = time.monotonic()
            elif refused is False:
                self.limit = min(CEILING, self.limit + 1 / self.limit)
            self.under_way -= 1
            self._changed.notify(2)  # the limit may have grown by one as well
