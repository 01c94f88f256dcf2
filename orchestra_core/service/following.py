"""Followers: the fold of each run's journal, kept up to date by reading only what is new.

One follower per run, shared by everybody who asks or watches. Lives on the event loop; what takes long
(a journal read for the first time) happens in a thread.
"""

from __future__ import annotations

import asyncio
import json
import logging
from bisect import bisect_right
from collections import OrderedDict, deque
from itertools import count, islice
from pathlib import Path

from orchestra_core.artifacts import Home
from orchestra_core.journal.continuity import Continuity
from orchestra_core.journal.events import Event
from orchestra_core.journal.log import JournalReader
from orchestra_core.journal.state import RunState
from orchestra_core.service.errors import unreadable
from orchestra_core.service.standing import Fold

_LOG = logging.getLogger("orchestra.service")
KEPT_FOLLOWERS = 64
KEPT_EVENTS = 1000
"""Events per run that are kept in memory for watchers; older ones are read from the file."""
INLINE_BYTES = 131_072
"""So much is read and folded on the event loop (a few ms); more in a thread."""
MARK_EVERY = 500
READ_AT_ONCE = 5000
CHUNK = 200
"""Events that a watcher who is behind gets at a time."""
KEPT_CHUNKS = 8
"""Places of watchers whose next events are kept as bytes, for others at the same place."""
_VERSIONS = count(1)


class Follower:
    """One run's fold."""

    def __init__(self, run_id: str, path: Path) -> None:
        self.run_id = run_id
        self.path = path
        self.state = RunState()
        self.reader = JournalReader(path)
        self.last_seq = 0
        self.version = 0
        """Another one after every change of the state, and for every follower."""
        self.recent: deque[Event] = deque(maxlen=KEPT_EVENTS)
        self._marks: list[tuple[int, int]] = [(0, 0)]
        self._encoded: OrderedDict[int, tuple[bytes, int]] = OrderedDict()
        self._continuity = Continuity()
        self._unreadable = False
        self._seen: tuple[int, ...] = ()
        """What of the file tells that it has changed, as of the last refresh."""
        self._lock = asyncio.Lock()

    @property
    def fold(self) -> Fold:
        """What of the run's journal decides where it stands, as of the last refresh."""
        begun = bool(self.state.started)
        return Fold(self.reader.position > 0, begun, self.state.status, self.state.resumed)

    @property
    def lost(self) -> int:
        """The number of the first event that the journal has lost; 0 when none is."""
        headless = self.fold.exists and not self.fold.begun
        return 1 if headless else self._continuity.lost(self.reader.bad_lines)

    async def refresh(self) -> None:
        """Take in what was written since. Raises StorageError, RunUnreadable."""
        async with self._lock:
            seen = self._look()
            if seen != self._seen:
                if not self.reader.goes_on():  # it was removed, or replaced by another one
                    self._begin_anew()
                if not self._unreadable:
                    await self._take_in(seen[0])
                self._seen = seen
            if self._unreadable:
                raise unreadable(self.run_id)

    async def _take_in(self, size: int) -> None:
        before = self.reader.position
        small = size - before <= INLINE_BYTES
        if size > before:
            while events := self._read() if small else await asyncio.to_thread(self._read):
                self._apply(events)  # here and not in the thread: others look at the state meanwhile
        if self.reader.position > before:  # a line that is no event changes what is told too
            self.version = next(_VERSIONS)

    def batch(self, after: int) -> tuple[bytes, int]:
        """The next events after a number as server-sent events, and the last one's number.

        Watchers at the same place share the bytes. Call `backlog` first where `is_behind`.
        """
        if after >= self.last_seq:
            return b"", after
        if after not in self._encoded:
            events = list(islice((event for event in self.recent if event.seq > after), CHUNK))
            self._encoded[after] = (b"".join(map(as_message, events)), _last(events, after))
            while len(self._encoded) > KEPT_CHUNKS:
                self._encoded.popitem(last=False)
        return self._encoded[after]

    def is_behind(self, after: int) -> bool:
        """Whether the next event after that number is no longer in memory."""
        return bool(self.recent) and after + 1 < self.recent[0].seq

    def backlog(self, after: int) -> tuple[bytes, int]:
        """As `batch`, from the file. Raises StorageError."""
        place = self._marks[bisect_right(self._marks, (after, 1 << 62)) - 1][1]
        reader = JournalReader(self.path, position=place)
        events = list(islice((event for event in reader if event.seq > after), CHUNK))
        return b"".join(map(as_message, events)), _last(events, after)

    def _look(self) -> tuple[int, ...]:
        """Size, place and time of the file."""
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return (0,)
        return found.st_size, found.st_ino, found.st_mtime_ns

    def _begin_anew(self) -> None:
        self.state, self.reader, self.last_seq = RunState(), JournalReader(self.path), 0
        self._continuity = Continuity()
        self.recent.clear()
        self._encoded.clear()
        self._marks = [(0, 0)]
        self._unreadable = False
        self.version = next(_VERSIONS)

    def _read(self) -> list[tuple[Event, int, int]]:
        """The next events, each with the place where it ends, and the bad lines up to there."""
        reader = self.reader
        return [(event, reader.position, reader.bad_lines) for event in islice(reader, READ_AT_ONCE)]

    def _apply(self, events: list[tuple[Event, int, int]]) -> None:
        for event, end, bad_lines in events:
            self._fold(event)
            self._continuity.take(event, bad_lines)
            self.recent.append(event)
            if event.seq // MARK_EVERY > self.last_seq // MARK_EVERY:
                self._marks.append((event.seq, end))
            self.last_seq = event.seq
        self._encoded.clear()
        self.version = next(_VERSIONS)

    def _fold(self, event: Event) -> None:
        """What follows one that cannot be taken in would tell half a story: it is not looked at."""
        try:
            self.state.apply(event)
        except Exception as error:
            _LOG.warning("event %d of %s: %s", event.seq, self.run_id, type(error).__name__)
            self._unreadable = True
            raise unreadable(self.run_id) from error


class Followers:
    """The followers of one home folder; those least asked for are forgotten."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self._known: OrderedDict[str, Follower] = OrderedDict()

    async def of(self, run_id: str) -> Follower:
        """The follower of a run, up to date; it may not have begun.

        Raises StorageError, RunUnreadable.
        """
        follower = self._known.get(run_id) or Follower(run_id, self.home.journal(run_id))
        self._known[run_id] = follower  # at once: whoever asks meanwhile shares it
        self._known.move_to_end(run_id)
        await follower.refresh()
        if not follower.fold.exists:
            self._known.pop(run_id, None)
        while len(self._known) > KEPT_FOLLOWERS:
            self._known.popitem(last=False)
        return follower


def as_message(event: Event) -> bytes:
    """An event as one server-sent event; its id is the number, so a client can go on from there."""
    content = {
        "seq": event.seq,
        "event_type": event.event_type.value,
        "created_at": event.created_at,
        "payload": event.payload,
    }
    data = json.dumps(content, separators=(",", ":"))
    return f"id: {event.seq}\r\ndata: {data}\r\n\r\n".encode()


def _last(events: list[Event], after: int) -> int:
    return events[-1].seq if events else after
