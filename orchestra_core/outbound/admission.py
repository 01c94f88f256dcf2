"""What a request waits for before it is sent: the target's wish for peace, a breaker, a slot, the rate.

All of it is looked at again once the slot and the permit are there: a target may have asked for peace,
or the door may have been closed, while the request waited for them.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from orchestra_core.outbound.allowance import Allowance, too_late
from orchestra_core.outbound.closing import Closing
from orchestra_core.outbound.pacing import Pacer
from orchestra_core.outbound.replies import Story
from orchestra_core.outbound.upstream import Lane, Passage, Upstream

_LONG = 1e6
_now = time.perf_counter


@dataclass(frozen=True)
class Admission:
    """One for all requests of a door. Safe to use from several threads."""

    pacer: Pacer
    allowance: Allowance
    closing: Closing

    def admit(self, upstream: Upstream, lane: Lane, story: Story) -> Passage:
        """Wait; then the request must be sent, and its passage told how it went.

        Raises RequestFailed: `breaker_open`, `resting`, `deadline`, `budget`, `closed`.
        """
        while True:
            self.closing.check()
            if quiet := upstream.quiet_for(lane):
                story.backoff_s += self.closing.pause(self.allowance.seconds(quiet))
            upstream.refuse_if_open(lane)
            self._queue(upstream, story)
            try:
                if not upstream.quiet_for(lane):
                    return self._passage(upstream, lane, story)
            except BaseException:
                upstream.slots.give_back()
                raise
            upstream.slots.give_back()

    def _queue(self, upstream: Upstream, story: Story) -> None:
        """Wait for a slot and for the rate limit; the time of that is not the target's."""
        began = _now()
        try:
            left = self.allowance.seconds(_LONG)
            if not upstream.slots.take(left):
                self.closing.check()
                raise too_late("the target takes no more requests at once")
            try:
                if not self.pacer.wait(self.allowance.seconds(_LONG), self.closing.pause):
                    raise too_late("the rate limit leaves no room")
            except BaseException:
                upstream.slots.give_back()
                raise
        finally:
            story.held_s += _now() - began

    def _passage(self, upstream: Upstream, lane: Lane, story: Story) -> Passage:
        passage = upstream.enter(lane)
        try:
            self.closing.check()
            self.allowance.take()
            story.taken += 1
        except BaseException:
            passage.told(None, None)
            raise
        return passage
