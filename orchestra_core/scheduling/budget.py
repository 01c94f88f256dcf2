"""What a run may still spend: wall time, requests, cost."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from orchestra_core.errors import BudgetExhausted
from orchestra_core.experiment import Limits


@dataclass
class Budget:
    """Checked before work is sent and as it comes back."""

    limits: Limits
    requests: int = 0
    cost_usd: float = 0.0
    _began: float = field(default_factory=time.monotonic)
    _stage_began: float = field(default_factory=time.monotonic)

    def begin_stage(self) -> None:
        """From now on `limits.stage` counts anew."""
        self._stage_began = time.monotonic()

    def left_s(self) -> float:
        """Seconds until the stage or the run must be over; negative when that has passed."""
        now = time.monotonic()
        left = self.limits.wall - (now - self._began)
        stage = self.limits.stage
        return left if stage is None else min(left, stage - (now - self._stage_began))

    def spend(self, requests: int, cost_usd: float) -> None:
        """Take note of what was sent."""
        self.requests += requests
        self.cost_usd += cost_usd

    def check(self, upcoming: int = 0) -> None:
        """Raise BudgetExhausted when a limit is reached, or would be by `upcoming` requests."""
        elapsed = time.monotonic() - self._began
        if elapsed > self.limits.wall:
            raise _exhausted("wall", f"{elapsed:.0f} s", f"{self.limits.wall:g} s")
        if self.limits.stage is not None and self.left_s() < 0:
            in_stage = time.monotonic() - self._stage_began
            raise _exhausted("stage", f"{in_stage:.0f} s", f"{self.limits.stage:g} s")
        if self.requests + upcoming > self.limits.requests:
            needed = f"{self.requests + upcoming:,} requests"
            raise _exhausted("requests", needed, f"{self.limits.requests:,}")
        if self.cost_usd > self.limits.cost_usd:
            raise _exhausted("cost_usd", f"${self.cost_usd:.4f}", f"${self.limits.cost_usd:g}")


def _exhausted(limit: str, spent: str, allowed: str) -> BudgetExhausted:
    return BudgetExhausted(
        f"the run reached limits.{limit}: {spent} of {allowed}",
        hint=f"Raise limits.{limit}, or ask for less; what is done is in the report.",
        details={"limit": limit},
    )
