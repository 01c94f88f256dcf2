"""Recorder: writes events, keeps the fold in step, and tells those who watch."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any

from orchestra_core.errors import StorageError, UsageError
from orchestra_core.journal.events import RUNNER_EVENTS, Event, EventType, now
from orchestra_core.journal.forking import made_anew_in_children
from orchestra_core.journal.log import JournalReader, JournalWriter
from orchestra_core.journal.past import Past
from orchestra_core.journal.skimming import skim
from orchestra_core.journal.state import RunState

Listener = Callable[[Event, RunState], None]


def remark_type(event_type: str) -> EventType:
    """The type, where a plugin may record it by itself. Raises UsageError for others."""
    if event_type not in RUNNER_EVENTS:
        listed = ", ".join(sorted(RUNNER_EVENTS))
        raise UsageError(f"a plugin may not record '{event_type}'; it may record {listed}")
    return EventType(event_type)


class Recorder:
    """The one way by which a run's facts come about. Safe to call from several threads."""

    def __init__(
        self,
        run_id: str,
        writer: JournalWriter,
        listeners: Iterable[Listener] = (),
        past: Past | None = None,
    ) -> None:
        """`past`: what the journal says already; that is not written twice."""
        self.run_id = run_id
        self.past = past
        self.wrote = False
        """Whether anything came about that the journal did not say already."""
        self.state = RunState()
        self._writer = writer
        self._listeners = list(listeners)
        self._lock = threading.RLock()
        made_anew_in_children(self)

    def record(self, event_type: EventType, payload: Mapping[str, Any] | None = None) -> None:
        """Write one event. Raises StorageError; then the state is unchanged."""
        self.record_all([(event_type, payload or {})])

    def emit(self, event_type: str, payload: Mapping[str, Any]) -> None:
        """What a plugin records by itself while it asks a target. Raises UsageError for other kinds.

        A disk that is full is not the plugin's trouble: whatever must be on disk will say so.
        """
        with suppress(StorageError):
            self.record(remark_type(event_type), payload)

    def record_all(self, items: Iterable[tuple[EventType, Mapping[str, Any]]]) -> None:
        """Write several events at once, in order. Raises RunChanged when the past says otherwise."""
        with self._lock:
            known = [(item, self.past and self.past.take(*item)) for item in items]
            fresh = [item for item, event in known if event is None]
            events = self._writer.append_all(fresh) if fresh else []
            self.wrote = self.wrote or bool(events)
            rest = iter(events)
            for _, event in known:
                self.state.apply(event or next(rest))
        for event in events:
            for listener in list(self._listeners):
                self._tell(listener, event)

    def _tell(self, listener: Listener, event: Event) -> None:
        """A display that fails (a closed terminal, say) is dropped; the run does not depend on it."""
        try:
            listener(event, self.state)
        except Exception:
            with suppress(ValueError):  # it failed on another thread too
                self._listeners.remove(listener)

    def record_safely(self, event_type: EventType, payload: Mapping[str, Any]) -> None:
        """Record while things are failing: if the disk is what fails, keep the fold going in memory."""
        try:
            self.record(event_type, payload)
        except StorageError:
            self.state.apply(Event(0, self.run_id, event_type, payload, now()))

    def after_fork(self) -> None:
        """Another of the parent's threads may have held the lock."""
        self._lock = threading.RLock()

    def restore(self, event: Event) -> None:
        """Take in what the journal says already."""
        with self._lock:
            self.state.apply(event)

    def fuller_job(self, job_id: str, queries: int) -> Event | None:
        """What the journal says already of a job, where that is of more queries."""
        return self.past.fuller_job(job_id, queries) if self.past else None

    @property
    def earlier_policies(self) -> Sequence[Mapping[str, Any]]:
        """What the journal said of policies before this sitting."""
        return self.past.state.policies if self.past else ()

    def refold(self) -> None:
        """Fold the state anew from the file, after an interrupt that may have come between the two."""
        with self._lock:
            self.state = skim(JournalReader(self._writer.path))

    def listen(self, listener: Listener) -> None:
        """Call `listener` after each later event."""
        self._listeners.append(listener)

    def close(self) -> None:
        """Close the journal file."""
        self._writer.close()
