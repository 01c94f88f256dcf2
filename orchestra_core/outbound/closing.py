"""The end of a door, which whoever waits at it is told of at once."""

from __future__ import annotations

import threading
import time

from orchestra_core.errors import RequestFailed


class Closing:
    """Open until `close`. Safe to use from several threads."""

    def __init__(self) -> None:
        self._closed = threading.Event()

    @property
    def is_closed(self) -> bool:
        """Whether the door is closed."""
        return self._closed.is_set()

    def close(self) -> None:
        """Wake whoever pauses."""
        self._closed.set()

    def check(self) -> None:
        """Raises RequestFailed (`closed`)."""
        if self._closed.is_set():
            raise closed()

    def pause(self, seconds: float) -> float:
        """Sleep; the seconds that it took. Raises RequestFailed (`closed`) as soon as it is."""
        began = time.perf_counter()
        if self._closed.wait(seconds):
            raise closed()
        return time.perf_counter() - began


def closed() -> RequestFailed:
    """The failure of a request that came too late."""
    return RequestFailed("closed", "the run is over")
