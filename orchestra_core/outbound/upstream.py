"""One target as the door treats it: its breakers, its slots, and the peace that it asked for.

Two breakers guard each request. That of the target counts failed connections alone: whoever asks, the
target is not there. That of a lane counts what one configuration may be the cause of, such as
time-outs: a configuration that fails can hold back its own requests, never those of another.

A request of a stated load has no lane, and takes no slot: the load is somebody's wish, whatever the
target says of it, and what the target says then is no news of how much it bears otherwise.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field

from orchestra_core.errors import RequestFailed
from orchestra_core.outbound.breaker import Breaker
from orchestra_core.outbound.policy import Route
from orchestra_core.outbound.retrying import (
    LONGEST_RETRY_AFTER_S,
    NO_CONNECTION,
    OUTAGES,
    REFUSALS,
    SAYS_NOTHING,
    asked_wait,
)
from orchestra_core.outbound.slots import Slots

_now = time.monotonic


@dataclass
class Lane:
    """Requests that fail together, such as those of one configuration."""

    breaker: Breaker
    quiet_until: float = 0.0


@dataclass
class Upstream:
    """State per origin, shared by all threads. `rest_s`: the first pause of its breakers."""

    route: Route
    rest_s: float
    slots: Slots = field(default_factory=Slots)
    quiet_until: float = 0.0
    _lanes: dict[str, Lane] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __post_init__(self) -> None:
        self.breaker = Breaker(self.rest_s)

    def lane(self, group: str) -> Lane:
        """That of a group of requests; the same one every time."""
        found = self._lanes.get(group)
        return found or self._lanes.setdefault(group, Lane(Breaker(self.rest_s)))

    def quiet_for(self, lane: Lane) -> float:
        """Seconds for which the target asked not to be asked. Raises RequestFailed (`resting`).

        A wish that is too long to wait for is kept from those alone whom the target told it.
        """
        until = max(self.quiet_until, lane.quiet_until)
        left = until - _now() if until else 0.0
        if left > LONGEST_RETRY_AFTER_S:
            raise RequestFailed(
                "resting",
                f"{self.route.named} asked to be left alone for {left:.0f} s more",
                hint="Try again then; a lower runner.rate_limit_per_sec may prevent it.",
                details={"retry_after_s": left},
            )
        return max(0.0, left)

    def refuse_if_open(self, lane: Lane | None) -> None:
        """Raises RequestFailed (`breaker_open`) where waiting would be in vain."""
        if self.breaker.closed_for() > 0:
            raise _open(self.breaker, f"{self.route.named} could not be reached")
        if lane is not None and lane.breaker.closed_for() > 0:
            raise _open(lane.breaker, f"{self.route.named}, asked so, failed")

    def enter(self, lane: Lane | None) -> Passage:
        """A request passes; with a lane, it holds a slot. Raises RequestFailed (`breaker_open`)."""
        trial = self.breaker.enter()
        if trial is None:
            raise _open(self.breaker, f"{self.route.named} could not be reached")
        if lane is None:
            return Passage(self, None, trial, False, _now())
        lane_trial = lane.breaker.enter()
        if lane_trial is None:
            self.breaker.answered(None, trial=trial)
            raise _open(lane.breaker, f"{self.route.named}, asked so, failed")
        return Passage(self, lane, trial, lane_trial, _now())

    def heed(self, lane: Lane | None, seconds: float) -> None:
        """The target asked for peace: all with a lane obey, if it is not longer than anybody waits."""
        who = lane if seconds > LONGEST_RETRY_AFTER_S else self
        if who is None:
            return
        with self._lock:
            who.quiet_until = max(who.quiet_until, _now() + seconds)


@dataclass(slots=True)
class Passage:
    """One request on its way. `over`, and then the slot is free, if it held one."""

    upstream: Upstream
    lane: Lane | None
    trial: bool
    lane_trial: bool
    began: float

    def over(self, error: BaseException | None) -> None:
        """What an attempt says of the target; errors of other kinds say nothing."""
        refused: bool | None = False
        if error is None:
            self.told(True, True)
        elif not isinstance(error, RequestFailed) or error.reason in SAYS_NOTHING:
            refused = None
            self.told(None, None)
        elif error.reason in NO_CONNECTION:
            refused = None
            self.told(False, None)
        else:
            refused = error.reason in REFUSALS
            self.told(None if error.reason == "timeout" else True, error.reason not in OUTAGES)
            if refused and (wanted := asked_wait(error)):
                self.upstream.heed(self.lane, wanted)
        if self.lane is not None:
            self.upstream.slots.give_back(self.began, refused=refused)

    def told(self, reached: bool | None, well: bool | None) -> None:
        """Tell both breakers. None: nothing is known."""
        self.upstream.breaker.answered(reached, trial=self.trial)
        if self.lane is not None:
            self.lane.breaker.answered(well, trial=self.lane_trial)


def _open(breaker: Breaker, what: str) -> RequestFailed:
    rest = max(0.0, breaker.closed_for())
    return RequestFailed(
        "breaker_open",
        f"{what} too often in a row and is left alone for a while",
        hint="Look at the target; requests go on once it answers again.",
        details={"final": True} if breaker.is_down else {"retry_after_s": rest},
    )
