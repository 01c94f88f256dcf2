"""A circuit breaker: what is down is left alone, and tried again now and then.

Own code, because pybreaker holds its lock for as long as a call takes and so lets one call through at
a time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

FAILURES_TO_OPEN = 10
TRIALS_TO_GIVE_UP = 3
LONGEST_REST_S = 60.0
_SOON_S = 0.05
"""When to ask again while a trial is under way."""


@dataclass
class Breaker:
    """Opens after ten failures in a row, lets one trial through after `rest_s`, doubled each time.

    After three trials that failed it counts as down: nobody waits for a trial any more, though trials
    go on. Safe to use from several threads.
    """

    rest_s: float = 5.0
    clock: Callable[[], float] = time.monotonic
    _failures: int = 0
    _trials: int = 0
    _opens_again: float = 0.0
    _trial_under_way: bool = False
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def is_open(self) -> bool:
        """Whether requests are held back."""
        return self._failures >= FAILURES_TO_OPEN

    @property
    def is_down(self) -> bool:
        """Whether waiting has become pointless."""
        return self._trials >= TRIALS_TO_GIVE_UP

    def closed_for(self) -> float:
        """Seconds until a request may pass; 0: now."""
        if not self.is_open():
            return 0.0
        left = self._opens_again - self.clock()
        return max(left, _SOON_S) if left > 0 or self._trial_under_way else 0.0

    def enter(self) -> bool | None:
        """A request passes: True as the trial, False as any. None: it may not.

        One that passed must be told of by `answered`.
        """
        if not self.is_open():
            return False
        with self._lock:
            if self.closed_for() > 0:
                return None
            self._trial_under_way = self.is_open()
            return self._trial_under_way

    def answered(self, well: bool | None, *, trial: bool = False) -> None:
        """How a request that passed went; None: it says nothing, or was not sent after all.

        `trial`: what `enter` gave. A failure that comes in while the breaker is open, of a request
        sent before, is no trial and says nothing new.
        """
        if well and not self._failures and not trial:
            return
        with self._lock:
            if trial:
                self._trial_under_way = False
            if well:
                self._failures = self._trials = 0
            elif well is False and (trial or not self.is_open()):
                self._failures += 1
                self._trials += trial
                rest = min(LONGEST_REST_S, self.rest_s * 2**self._trials)
                self._opens_again = self.clock() + rest
