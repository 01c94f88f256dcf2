"""A probe on a thread of its own: whoever waits for it can stop waiting, and it stops sending."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from math import inf
from queue import Empty, SimpleQueue

from orchestra_core.observation import LatencySample, charged
from orchestra_core.scheduling.budget import TAB, Tab
from orchestra_core.scheduling.halting import HALT, Halt
from orchestra_core.scheduling.load import FAREWELL_S

GRACE_S = 1.0
"""How much longer than it was given a probe that was told to end may take to do so."""


class Attended:
    """The samples of a probe as they come, until it ends, is stopped, or its time is up."""

    def __init__(
        self,
        probe: Callable[[], Iterable[LatencySample]],
        seconds: float = inf,
        drain_s: float = FAREWELL_S,
        *,
        tab: Tab | None = None,
    ) -> None:
        """`drain_s`: how long what is under way may still be answered when the time is up.

        `tab`: what the probe spends; once nothing is left, what is under way is the last of it.
        """
        self._drain_s, self._tab = drain_s, tab
        self._requests, self._cost_usd = 0, 0.0
        self.late = False
        """The time was up before the probe's end."""
        self._found: SimpleQueue[LatencySample | BaseException | None] = SimpleQueue()
        self._halt = Halt()
        self.last_for(seconds)
        threading.Thread(target=self._work, args=(probe,), name="orchestra-probe", daemon=True).start()

    def last_for(self, seconds: float) -> None:
        """From now on; when that is over, `late` is set and the probe is stopped."""
        self._deadline = time.monotonic() + min(seconds, threading.TIMEOUT_MAX / 2)

    def take(self) -> LatencySample | None:
        """The next sample; None at the end. Raises what the probe raised."""
        while True:
            left = self._deadline - time.monotonic()
            if left <= 0 and not self._halt.told:  # a quick target gives samples without end
                self.late = True
                self.stop(self._drain_s)
                continue
            try:
                found = self._found.get(timeout=max(0.0, left))
            except Empty:
                if self._halt.told:
                    return None
                continue
            if isinstance(found, BaseException):
                raise found
            if found is not None:
                self._charge(found)
            return found

    def stop(self, drain_s: float = FAREWELL_S) -> None:
        """Let nothing more be sent; what is answered within `drain_s` may still be taken."""
        self._halt.tell(drain_s)
        self.last_for(drain_s + GRACE_S)

    def _charge(self, sample: LatencySample) -> None:
        """For a runner without `drive`, which does this by itself, and earlier."""
        if self._tab is None:
            return
        self._requests += max(1, sample.attempts)
        self._cost_usd += charged(sample)
        self._tab.at_least(self._requests, self._cost_usd)
        if not self._halt.heard and not self._halt.told and self._tab.is_spent:
            self.stop(self._drain_s)

    def _work(self, probe: Callable[[], Iterable[LatencySample]]) -> None:
        HALT.set(self._halt)
        TAB.set(self._tab)
        try:
            samples = probe()
            try:
                for sample in samples:
                    self._found.put(sample)
                    if self._halt.told and not self._halt.heard:
                        break
            finally:
                close = getattr(samples, "close", None)
                if close is not None:
                    close()
            self._found.put(None)
        except BaseException as error:  # whatever ends the thread must reach who takes the samples
            self._found.put(error)
