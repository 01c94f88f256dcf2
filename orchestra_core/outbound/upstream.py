"""One target as the door treats it: its breaker, its slots, and the peace that it asked for."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

from orchestra_core.errors import RequestFailed
from orchestra_core.outbound.breaker import Breaker
from orchestra_core.outbound.policy import Route
from orchestra_core.outbound.retrying import OUTAGES, REFUSALS, asked_wait
from orchestra_core.outbound.slots import Slots

_now = time.monotonic


@dataclass
class Upstream:
    """State per origin, shared by all threads."""

    route: Route
    breaker: Breaker
    slots: Slots = field(default_factory=Slots)
    _quiet_until: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def quiet_for(self) -> float:
        """Seconds for which the target asked not to be asked."""
        return max(0.0, self._quiet_until - _now()) if self._quiet_until else 0.0

    def enter(self) -> None:
        """Before an attempt, which `leave` must follow. Raises RequestFailed (`breaker_open`)."""
        if self.breaker.is_open():
            self._refuse_if_open()

    def leave(self, error: RequestFailed | None = None, *, sent: bool = True) -> None:
        """After an attempt: what it says of the target."""
        if error is None or not sent:
            self.breaker.answered(True if sent else None)
            return
        self.breaker.answered(error.reason not in OUTAGES)
        wanted = asked_wait(error)
        if error.reason in REFUSALS and wanted:
            with self._lock:
                self._quiet_until = max(self._quiet_until, _now() + wanted)

    def _refuse_if_open(self) -> None:
        rest = self.breaker.closed_for()
        if rest <= 0:
            return
        raise RequestFailed(
            "breaker_open",
            f"{self.route.named} failed too often in a row and is left alone for a while",
            hint="Look at the target; requests go on once it answers again.",
            details={"final": True} if self.breaker.is_down else {"retry_after_s": rest},
        )
