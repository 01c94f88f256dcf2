"""The append-only file of events: one write per batch, under a thread lock and the kernel's flock.

Writers seal a torn tail before they append. Readers take no lock, skip and count bad lines, and
ignore an unterminated last one.
"""

from __future__ import annotations

import errno
import fcntl
import os
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestra_core.artifacts import storage_errors
from orchestra_core.errors import StorageError
from orchestra_core.journal.events import Event, EventType, now, parse_line

_TAIL = 65_536
# Started and progress events may be lost in a power cut; what ends something may not.
_UNSYNCED = frozenset(
    t
    for t in EventType
    if t.endswith("_STARTED") or t in {EventType.UNIT_DONE, EventType.RETRY, EventType.ALIAS_APPLIED}
) - {EventType.RUN_STARTED}


class JournalWriter:
    """Appends to one run's journal; safe to share between threads and to open in several processes."""

    def __init__(self, path: Path, run_id: str, *, create: bool = False) -> None:
        """Open, or with `create` make, the file. Raises StorageError (also when it exists already)."""
        self.path = path
        self._run_id = run_id
        self._lock = threading.Lock()
        self._end = 0
        self._seq = 0
        flags = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | (os.O_CREAT | os.O_EXCL if create else 0)
        with storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(path, flags, 0o644)

    def append(self, event_type: EventType, payload: Mapping[str, Any]) -> Event:
        """Write one event. Raises StorageError; then the file ends as it did before."""
        return self.append_all([(event_type, payload)])[0]

    def append_all(self, items: Iterable[tuple[EventType, Mapping[str, Any]]]) -> list[Event]:
        """Write several events with one write and, when any of them ends something, one sync."""
        with self._lock, storage_errors(self.path):
            if self._descriptor < 0:
                raise OSError(errno.EBADF, "the journal is closed")
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            try:
                self._catch_up()
                created_at = now()
                events = [
                    Event(self._seq + i, self._run_id, event_type, payload, created_at)
                    for i, (event_type, payload) in enumerate(items, 1)
                ]
                self._write(b"".join(event.to_line() for event in events), len(events))
                if any(event.event_type not in _UNSYNCED for event in events):
                    os.fdatasync(self._descriptor)
            finally:
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        return events

    def close(self) -> None:
        """Close the file; a late writer (a runner's stuck thread) gets a StorageError."""
        with self._lock:
            descriptor, self._descriptor = self._descriptor, -1
        if descriptor < 0:
            return
        if os.fstat(descriptor).st_size == 0:  # a full disk: leave no run that never was
            self.path.unlink(missing_ok=True)
        os.close(descriptor)

    def _write(self, data: bytes, events: int = 0) -> None:
        try:
            written = 0
            while written < len(data):  # a full disk takes a part first, and says why at the next
                written += os.write(self._descriptor, data[written:])
        except OSError:
            os.ftruncate(self._descriptor, self._end)
            raise
        # Both at once, before anything can interrupt: a number is never given twice.
        self._end, self._seq = self._end + len(data), self._seq + events

    def _catch_up(self) -> None:
        """Learn what others appended since, and seal a torn last line."""
        size = os.fstat(self._descriptor).st_size
        if size == self._end:
            return
        tail = _read_tail(self._descriptor, self._end, size)
        for line in tail.split(b"\n"):
            if event := parse_line(line):
                self._seq = max(self._seq, event.seq)
        self._end = size
        if not tail.endswith(b"\n"):
            self._write(b"\n")


def _read_tail(descriptor: int, start: int, size: int) -> bytes:
    chunks = []
    while start < size:
        chunk = os.pread(descriptor, min(_TAIL, size - start), start)
        if not chunk:
            break
        chunks.append(chunk)
        start += len(chunk)
    return b"".join(chunks)


@dataclass
class JournalReader:
    """Reads a journal line by line; `bad_lines` counts what was skipped so far."""

    path: Path
    bad_lines: int = 0
    position: int = 0
    """Bytes read so far; reading goes on from here, so a journal can be followed."""

    def __iter__(self) -> Iterator[Event]:
        """Events from `position` on. Raises StorageError when the file can't be read."""
        try:
            stream = self.path.open("rb")
        except OSError as error:
            raise StorageError(f"cannot read: {error.strerror}", where=str(self.path)) from error
        with stream:
            stream.seek(self.position)
            for line in stream:
                if not line.endswith(b"\n"):
                    return
                self.position += len(line)
                if event := parse_line(line[:-1]):
                    yield event
                elif line != b"\n":
                    self.bad_lines += 1
