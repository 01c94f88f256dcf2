"""Tell a probe that runs on another thread to end.

Whoever gives up on a probe speaks, `drive` listens, and the runner between them need not know: the word
is found in the context of the thread that takes the samples.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextvars import ContextVar

Stop = Callable[[float], None]
"""Called with how many seconds to wait for what is under way."""


class Halt:
    """Send nothing more, wait a moment for what is under way, and end. Safe from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._listeners: list[Stop] = []
        self._drain_s: float | None = None

    @property
    def told(self) -> bool:
        """Whether the word was given."""
        return self._drain_s is not None

    @property
    def heard(self) -> bool:
        """Whether anybody listens; a runner that sends without `drive` does not."""
        return bool(self._listeners)

    def tell(self, drain_s: float) -> None:
        """Give the word; again with a shorter time, for who becomes impatient."""
        with self._lock:
            self._drain_s = drain_s
            listeners = tuple(self._listeners)
        for listener in listeners:
            listener(drain_s)

    def listen(self, stop: Stop) -> None:
        """Have `stop` called when the word is given; at once if it was."""
        with self._lock:
            self._listeners.append(stop)
            drain_s = self._drain_s
        if drain_s is not None:
            stop(drain_s)


HALT: ContextVar[Halt | None] = ContextVar("orchestra_halt", default=None)
"""Of the probe whose samples this thread takes; None where nobody could give up on it."""
