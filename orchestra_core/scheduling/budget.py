"""What a run may still spend: wall time, requests, cost. Asked before each request."""

from __future__ import annotations

import threading
import time
from collections.abc import Hashable
from contextvars import ContextVar
from dataclasses import dataclass, field

from orchestra_core.errors import BudgetExhausted
from orchestra_core.experiment import Limits
from orchestra_core.observation import Failure


@dataclass
class Tab:
    """What one unit has spent so far; its record takes the place of this. Safe from any thread."""

    budget: Budget
    requests: int = 0
    cost_usd: float = 0.0
    closed: bool = False
    """Nothing more may be sent for the unit: it is over, or was given up."""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def add(self, requests: int, cost_usd: float) -> None:
        """Requests that were answered, and what they cost.

        Once closed, the run's budget takes the cost alone: the record counts every request of a unit.
        """
        with self._lock:
            if not self.closed:
                self.requests += requests
                self.cost_usd += cost_usd
                return
        self.budget.spend(0, cost_usd)

    def close(self) -> None:
        """From now on its figures stay as they are."""
        with self._lock:
            self.closed = True

    def at_least(self, requests: int, cost_usd: float) -> None:
        """The same in all, for who does not know what was added already."""
        with self._lock:
            self.requests = max(self.requests, requests)
            self.cost_usd = max(self.cost_usd, cost_usd)

    @property
    def is_spent(self) -> bool:
        """Whether no further request may be sent for this unit."""
        if self.closed:
            return True
        try:
            self.budget.check(1)
        except BudgetExhausted:
            return True
        return False


TAB: ContextVar[Tab | None] = ContextVar("orchestra_tab", default=None)
"""Of the probe whose samples this thread takes; None where nobody keeps one."""


@dataclass
class Budget:
    """What was recorded, and the tabs of what is under way. Safe to use from several threads."""

    limits: Limits
    requests: int = 0
    cost_usd: float = 0.0
    _began: float = field(default_factory=time.monotonic)
    _stage_began: float = field(default_factory=time.monotonic)
    _tabs: dict[Hashable, Tab] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def begin_stage(self) -> None:
        """From now on `limits.stage` counts anew."""
        self._stage_began = time.monotonic()

    def left_s(self) -> float:
        """Seconds until the stage or the run must be over; negative when that has passed."""
        now = time.monotonic()
        left = self.limits.wall - (now - self._began)
        stage = self.limits.stage
        return left if stage is None else min(left, stage - (now - self._stage_began))

    def tab(self, name: Hashable) -> Tab:
        """The tab of this name, a new one where there is none; open until `close`."""
        with self._lock:
            return self._tabs.setdefault(name, Tab(self))

    def close(self, name: Hashable) -> None:
        """What it held is recorded, or was never sent."""
        with self._lock:
            tab = self._tabs.pop(name, None)
        if tab is not None:
            tab.close()

    def spend(self, requests: int, cost_usd: float) -> None:
        """Take note of what is on record."""
        with self._lock:
            self.requests += requests
            self.cost_usd += cost_usd

    def check(self, upcoming: int = 0) -> None:
        """Raise BudgetExhausted where a limit leaves no room for `upcoming` requests."""
        now = time.monotonic()
        if (elapsed := now - self._began) > self.limits.wall:
            raise _exhausted("wall", f"{elapsed:.0f} s", f"{self.limits.wall:g} s")
        if self.limits.stage is not None and (elapsed := now - self._stage_began) > self.limits.stage:
            raise _exhausted("stage", f"{elapsed:.0f} s", f"{self.limits.stage:g} s")
        requests, cost_usd = self._spent()
        if requests + upcoming > self.limits.requests:
            told = f"{requests:,} requests" + (f", {upcoming:,} more needed," if upcoming > 1 else "")
            raise _exhausted("requests", told, f"{self.limits.requests:,}")
        if cost_usd > self.limits.cost_usd or (upcoming and cost_usd == self.limits.cost_usd):
            raise _exhausted("cost_usd", dollars(cost_usd), dollars(self.limits.cost_usd))

    def _spent(self) -> tuple[int, float]:
        with self._lock:
            tabs = self._tabs.values()
            requests = self.requests + sum(tab.requests for tab in tabs)
            return requests, self.cost_usd + sum(tab.cost_usd for tab in tabs)


def not_sent(failure: Failure) -> BudgetExhausted:
    """The end of a run whose limits kept a request back."""
    return BudgetExhausted(failure.message, hint=failure.hint, details={"limit": failure.reason})


def dollars(amount: float) -> str:
    """An amount for people: to the cent's hundredth, or as small as it is: `$0.2500`, `$0.00001`."""
    return f"${amount:.4f}" if amount >= 0.001 or not amount else f"${amount:.12f}".rstrip("0")


def _exhausted(limit: str, spent: str, allowed: str) -> BudgetExhausted:
    return BudgetExhausted(
        f"the run reached limits.{limit}: {spent} of {allowed}",
        hint=f"Raise limits.{limit}, or ask for less; what is done is in the report.",
        details={"limit": limit},
    )
