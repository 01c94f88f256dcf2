"""The append-only file of events: one write per batch, under a thread lock and the kernel's flock.

Writers seal a torn tail before they append. Readers take no lock, skip and count bad lines, and
ignore an unterminated last one.
"""

from __future__ import annotations

import errno
import fcntl
import os
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestra_core.artifacts import make_folder, storage_damage, storage_errors, sync_folder
from orchestra_core.errors import StorageError
from orchestra_core.journal.events import Event, EventType, is_whole, now, parse_line
from orchestra_core.journal.forking import made_anew_in_children

_CHUNK = 65_536
# Started and progress events may be lost in a power cut; what ends something may not.
_UNSYNCED = frozenset(
    t for t in EventType if t.endswith("_STARTED") or t in {EventType.RETRY, EventType.ALIAS_APPLIED}
) - {EventType.RUN_STARTED}


class JournalWriter:
    """Appends to one run's journal; safe to share between threads and to open in several processes.

    A line that is whole is never taken back, even where the disk then fails: a reader may have seen it.
    A process forked from its owner appends by a descriptor of its own: those of one open file share
    one lock, so parent and child would not exclude each other.
    """

    def __init__(self, path: Path, run_id: str, *, create: bool = False) -> None:
        """Open, or with `create` make, the file. Raises StorageError (also when it exists already)."""
        self.path = path
        self._run_id = run_id
        self._lock = threading.Lock()
        self._owner = os.getpid()
        self._descriptor, self._closed = -1, False
        with storage_errors(path):
            make_folder(path.parent)
            self._open(os.O_CREAT | os.O_EXCL if create else 0)
            if create:  # a file whose name is not on disk is lost with everything in it
                sync_folder(path.parent)
        made_anew_in_children(self)

    def append(self, event_type: EventType, payload: Mapping[str, Any]) -> Event:
        """Write one event. Raises StorageError; then it may be in the file, but is not sure to stay."""
        return self.append_all([(event_type, payload)])[0]

    def append_all(self, items: Iterable[tuple[EventType, Mapping[str, Any]]]) -> list[Event]:
        """Write several events with one write and, when any of them ends something, one sync."""
        with self._lock, storage_errors(self.path):
            if self._closed:
                raise OSError(errno.EBADF, "the journal is closed")
            if self._descriptor < 0:
                self._open(0)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            try:
                self._catch_up()
                created_at = now()
                events = [
                    Event(self._seq + i, self._run_id, event_type, payload, created_at)
                    for i, (event_type, payload) in enumerate(items, 1)
                ]
                synced = any(event.event_type not in _UNSYNCED for event in events)
                self._write([event.to_line() for event in events], synced=synced)
            finally:
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)
        return events

    def close(self) -> None:
        """Close the file; a late writer (a runner's stuck thread) gets a StorageError."""
        with self._lock:
            descriptor, self._descriptor, self._closed = self._descriptor, -1, True
        if descriptor < 0:
            return
        if self._owner == os.getpid() and os.fstat(descriptor).st_size == 0:
            self.path.unlink(missing_ok=True)  # a full disk: leave no run that never was
        os.close(descriptor)

    def after_fork(self) -> None:
        """Let go of what the parent holds; the next append opens the file anew."""
        self._lock = threading.Lock()
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _open(self, more: int) -> None:
        self._descriptor = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | more, 0o644)
        self._end = self._seq = 0

    def _write(self, lines: Sequence[bytes], *, synced: bool = False) -> None:
        data, written = b"".join(lines), 0
        try:
            while written < len(data):  # a full disk takes a part first, and says why at the next
                written += os.write(self._descriptor, data[written:])
        except OSError:
            whole = data[:written].count(b"\n")
            self._advance(lines[:whole])
            os.ftruncate(self._descriptor, self._end)
            raise
        self._advance(lines)
        if synced:
            os.fdatasync(self._descriptor)

    def _advance(self, lines: Sequence[bytes]) -> None:
        # Both at once, before anything can interrupt: a number is never given twice.
        events = sum(line != b"\n" for line in lines)
        self._end, self._seq = self._end + sum(map(len, lines)), self._seq + events

    def _catch_up(self) -> None:
        """Learn what others appended since, and seal a torn last line."""
        size = os.fstat(self._descriptor).st_size
        if size == self._end:
            return
        last = last_event(self._descriptor, self._end, size)
        self._seq = max(self._seq, last.seq) if last else self._seq
        self._end = size
        if size and os.pread(self._descriptor, 1, size - 1) != b"\n":
            self._write([b"\n"])


def last_event(descriptor: int, start: int, end: int) -> Event | None:
    """The last whole event between two offsets, read from behind: a long journal opens as fast."""
    rest = b""
    while end > start:
        begin = max(start, end - _CHUNK)
        first, *lines = (os.pread(descriptor, end - begin, begin) + rest).split(b"\n")
        if begin == start:
            lines.insert(0, first)
        for line in reversed(lines):
            if event := parse_line(line):
                return event
        rest, end = first, begin
    return None


def event_at(path: Path, place: int) -> Event:
    """The event whose line begins at that byte. Raises StorageError."""
    with storage_damage(path), path.open("rb") as stream:
        stream.seek(place)
        event = parse_line(stream.readline()[:-1])
        if event is None:
            raise ValueError(f"no event at byte {place}")
        return event


@dataclass
class JournalReader:
    """Reads a journal line by line; `bad_lines` counts what was skipped so far."""

    path: Path
    bad_lines: int = 0
    position: int = 0
    """Bytes read so far; reading goes on from here, so a journal can be followed."""
    _last: bytes = field(default=b"", repr=False)
    """The line that was read last, which ends at `position`."""

    def __iter__(self) -> Iterator[Event]:
        """Events from `position` on. Raises StorageError when the file can't be read."""
        for line in self.lines():
            if event := parse_line(line):
                yield event
            else:
                self.bad_lines += 1

    def lines(self) -> Iterator[bytes]:
        """The lines that have the checksum of their content. Raises StorageError."""
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
                self._last = line
                if is_whole(line[:-1]):
                    yield line[:-1]
                elif line != b"\n":
                    self.bad_lines += 1

    def goes_on(self) -> bool:
        """Whether the file is the one that was read so far, and no other in its place.

        Raises StorageError when it can't be read.
        """
        if not self._last:
            return True
        try:
            with self.path.open("rb") as stream:
                stream.seek(self.position - len(self._last))
                return stream.read(len(self._last)) == self._last
        except FileNotFoundError:
            return False
        except OSError as error:
            raise StorageError(f"cannot read: {error.strerror}", where=str(self.path)) from error
