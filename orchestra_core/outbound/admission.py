"""What a request waits for before it is sent: the target's wish for peace, a breaker, a slot, the rate.

All of it is looked at again once the slot and the permit are there: a target may have asked for peace,
or the door may have been closed, while the request waited for them. What belongs to a stated load waits
for the rate limit alone.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
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

    def admit(self, upstream: Upstream, lane: Lane | None, story: Story) -> Passage:
        """Wait; then the request must be sent, and its passage told how it went.

        `lane`: None for a request of a stated load. Raises RequestFailed: `breaker_open`, `resting`,
        `deadline`, `budget`, `closed`.
        """
        if lane is None:
            self.closing.check()
            upstream.refuse_if_open(None)
            self._pace(story)
            return self._passage(upstream, None, story)
        while True:
            self.closing.check()
            if quiet := upstream.quiet_for(lane):
                story.backoff_s += self.closing.pause(self.allowance.seconds(quiet))
            upstream.refuse_if_open(lane)
            self._take_slot(upstream, story)
            try:
                self._pace(story)
                if not upstream.quiet_for(lane):
                    return self._passage(upstream, lane, story)
            except BaseException:
                upstream.slots.give_back()
                raise
            upstream.slots.give_back()

    def _take_slot(self, upstream: Upstream, story: Story) -> None:
        """Wait for one; in quality the time of that is not the target's."""
        with _held(story):
            if not upstream.slots.take(self.allowance.seconds(_LONG)):
                self.closing.check()
                raise too_late("the target takes no more requests at once")

    def _pace(self, story: Story) -> None:
        """Wait for the rate limit, which is Orchestra's own."""
        with _held(story):
            if not self.pacer.wait(self.allowance.seconds(_LONG), self.closing.pause):
                raise too_late("the rate limit leaves no room")

    def _passage(self, upstream: Upstream, lane: Lane | None, story: Story) -> Passage:
        passage = upstream.enter(lane)
        try:
            self.closing.check()
            self.allowance.take()
            story.taken += 1
        except BaseException:
            passage.told(None, None)
            raise
        return passage


@contextmanager
def _held(story: Story) -> Iterator[None]:
    """Whatever this takes is no latency."""
    began = _now()
    try:
        yield
    finally:
        story.held_s += _now() - began
