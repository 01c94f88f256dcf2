"""What a run's journal says was done already: what a resumed run finds instead of doing it again.

A resumed run goes through the same loop once more. What it would record and finds here is not written
twice; a unit that it would ask and finds here is not asked again. What was decided differently then
than now is a contradiction, and ends the resumption.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from re import Match
from typing import Any

from orchestra_core.errors import RunChanged
from orchestra_core.fingerprints import with_measured
from orchestra_core.journal.events import Event, EventType
from orchestra_core.journal.log import JournalReader, event_at
from orchestra_core.journal.skimming import Skimmer
from orchestra_core.journal.state import RunState
from orchestra_core.journal.units import Step, stands

UNITS = frozenset({EventType.UNIT_DONE, EventType.UNIT_FAILED})
ENDINGS = frozenset({EventType.RUN_COMPLETED, EventType.RUN_FAILED, EventType.RUN_CANCELLED})
JOBS = frozenset({EventType.JOB_DONE, EventType.JOB_FAILED})
ANEW = frozenset(
    {
        *ENDINGS,
        *(t for t in EventType if t.endswith("_FAILED") and t not in JOBS),
        *(EventType.RUN_STARTED, EventType.RUN_RESUMED, EventType.HEALTH_OK, EventType.HEALTH_FAIL),
        *(EventType.RETRY, EventType.ALIAS_APPLIED, EventType.RUNNER_TIMEOUT),
        *(EventType.UNIT_STARTED, EventType.UNIT_DONE, EventType.UNIT_LOST, EventType.ARTIFACT_WRITTEN),
        *(EventType.POLICY_INTENT, EventType.POLICY_APPLIED, EventType.POLICY_ROLLED_BACK),
    }
)
"""What is true of one sitting only, or is found by other means."""
_ONCE = frozenset({"SMOKE_DONE", "GRID_DONE", "AB_STARTED", "VERDICT", "SELECT_DONE"})
_KEY = b'"payload":{"unit":"'
Slot = tuple[object, ...]


@dataclass
class Past:
    """Made by `read_past`; whatever is found is taken out."""

    state: RunState = field(default_factory=RunState)
    """The fold of the journal."""
    started: Event | None = None
    """RUN_STARTED, with all that the run came to know of what it measures."""
    units: dict[str, tuple[int, ...]] = field(default_factory=dict)
    """Unit key → where in the journal its ends stand, without those that failed in the open step."""
    unfinished: set[str] = field(default_factory=set)
    """Keys of units that were begun, and have no end that counts."""
    deaths: Counter[str] = field(default_factory=Counter)
    """Unit key → how often the process died while the unit was being asked."""
    void_jobs: set[str] = field(default_factory=set)
    """Ids of jobs that were written with failures which are asked again."""
    unwell: Mapping[str, Any] | None = None
    """What HEALTH_FAIL says, if that ended the last sitting."""
    requests_in_vain: int = 0
    """Sent for units that failed and are asked again, or that were lost."""
    cost_in_vain: float = 0.0
    keyless: int = 0
    """Units of an older version, whose results were not kept."""
    _events: dict[str, deque[Event]] = field(default_factory=lambda: defaultdict(deque))
    _slots: Counter[Slot] = field(default_factory=Counter)
    _jobs: dict[str, Event] = field(default_factory=dict)
    """Job id → the last event of the job."""
    _open: set[str] = field(default_factory=set)
    _path: Path = Path()
    _failed: dict[int, int] = field(default_factory=dict)
    """Number of an event that says that a request of a unit failed → where it stands."""

    def take(self, event_type: EventType, payload: Mapping[str, Any]) -> Event | None:
        """The recorded event that says the same, or None. Raises RunChanged when it says otherwise."""
        if event_type in ANEW:
            return None
        if found := self._events.get(_canonical(event_type, payload)):
            event = found.popleft()
            self._slots[_slot(event_type, payload)] -= 1
            return event
        slot = _slot(event_type, payload)
        if slot and self._slots[slot] > 0:
            place = " ".join(str(part) for part in slot)
            raise RunChanged(
                f"what follows now from the stored results is not what the journal says of {place}",
                where=self.state.run_id,
                hint="A plugin may decide by more than its evidence. --fork starts a new run from what "
                "is stored.",
            )
        return None

    def take_unit(self, key: str) -> Event | None:
        """The end of a unit that need not be asked again. Raises StorageError."""
        place, *rest = self.units.get(key) or (None,)
        if place is None:
            return None
        self.units[key] = tuple(rest)
        return event_at(self._path, place)

    def lose_unit(self, event: Event) -> None:
        """A unit's end was taken, and its result cannot be read."""
        self.unfinished.add(event.payload["unit"])

    def fuller_job(self, job_id: str, queries: int) -> Event | None:
        """The recorded job with more queries than it has now, for a resumed run that is cut short."""
        event = self._jobs.get(job_id)
        return event if event and event.payload["metrics"].get("count", 0) > queries else None

    def last_job(self, job_id: str) -> Event | None:
        """What was recorded last of a job."""
        return self._jobs.get(job_id)

    def left(self) -> list[Event]:
        """What was recorded and not taken, without jobs that were recorded again later."""
        found = [event for events in self._events.values() for event in events]
        return [
            event
            for event in sorted(found, key=lambda event: event.seq)
            if event.event_type not in JOBS or event is self._jobs[event.payload["job_id"]]
        ]

    def add(self, event: Event, place: int) -> None:
        """File an event that is no start of a unit; `place`: where its line begins."""
        kind, payload = event.event_type, event.payload
        if kind in UNITS:
            self.end_unit(payload.get("unit"), place, event.seq if payload.get("failures") else None)
        if kind in _FILING:
            _FILING[kind](self, event)
        if kind not in ANEW:
            self._events[_canonical(kind, payload)].append(event)
            self._slots[_slot(kind, payload)] += 1

    def begin_unit(self, key: str) -> None:
        """File the start of a unit."""
        self._open.add(key)

    def end_unit(self, key: str | None, place: int, failed: int | None) -> None:
        """File the end of a unit; `failed`: the event's number, where a request of it failed."""
        if key is None:
            self.keyless += 1
            return
        self._open.discard(key)
        self.unfinished.discard(key)
        self.deaths.pop(key, None)
        self.units[key] = (*self.units.get(key, ()), place)
        if failed is not None:
            self._failed[failed] = place

    def _begin(self, event: Event) -> None:
        self.started = event

    def _add_health(self, event: Event) -> None:
        if self.started is not None:
            started = with_measured(self.started.payload, event.payload)
            self.started = self.started._replace(payload=started)

    def _end(self, _event: Event) -> None:
        self.unfinished |= self._open
        self._open.clear()  # interrupted, but it killed nobody

    def _end_unwell(self, event: Event) -> None:
        self.unwell = event.payload

    def _add_job(self, event: Event) -> None:
        self._jobs[event.payload["job_id"]] = event
        self.void_jobs.discard(event.payload["job_id"])

    def _lose(self, event: Event) -> None:
        payload = event.payload
        key = payload["unit"]
        places = self.units.get(key, ())
        ends = {place: event_at(self._path, place).payload for place in places}
        of_it = (p for p, end in ends.items() if end.get("result") == payload["result"])
        lost = next(of_it, None)  # one only: a file may hold several parts of a unit
        self.units[key] = tuple(place for place in places if place != lost)
        self.unfinished.add(key)
        self.requests_in_vain += payload["sent"]
        self.cost_in_vain += payload["cost_usd"]

    def begin_again(self) -> None:
        """What a resumption means: units under way have died with it, failed ones are asked again."""
        self.unwell = None
        self.deaths.update(self._open)
        self.unfinished |= self._open
        self._open.clear()
        for failed in self.state.failed_units:
            place = self._failed.pop(failed.seq)
            self.units[failed.unit] = tuple(p for p in self.units[failed.unit] if p != place)
            self.unfinished.add(failed.unit)
            self.requests_in_vain += failed.sent
            self.cost_in_vain += failed.cost_usd
        if self.state.failed_units and self.state.step is not None:
            self._forget(self.state.step)

    def _forget(self, step: Step) -> None:
        for name, found in list(self._events.items()):
            kept = deque(event for event in found if stands(event, step))
            for event in found:
                if not stands(event, step):
                    self._slots[_slot(event.event_type, event.payload)] -= 1
                    self.void_jobs |= {event.payload["job_id"]} if event.event_type in JOBS else set()
            self._events[name] = kept


_FILING: dict[EventType, Callable[[Past, Event], None]] = {
    EventType.RUN_STARTED: Past._begin,  # noqa: SLF001 - its own module
    EventType.HEALTH_OK: Past._add_health,  # noqa: SLF001
    EventType.UNIT_LOST: Past._lose,  # noqa: SLF001
    **dict.fromkeys(ENDINGS, Past._end),  # noqa: SLF001
    **dict.fromkeys(JOBS, Past._add_job),  # noqa: SLF001
    EventType.HEALTH_FAIL: Past._end_unwell,  # noqa: SLF001
}


class _Filing(Skimmer):
    """Folds a journal, and files what a run must find again; units by their place alone."""

    def __init__(self, past: Past) -> None:
        super().__init__()
        self.past, self.place = past, 0
        past.state = self.state

    def started(self, line: bytes, at: int) -> None:
        super().started(line, at)
        begin = line.find(_KEY, at) + len(_KEY)
        self.past.begin_unit(line[begin : line.find(b'"', begin)].decode("utf-8", "surrogatepass"))

    def ended(self, line: bytes, end: Match[bytes]) -> None:
        super().ended(line, end)
        failed = None if end[5] == b"{}" else int(end[1])
        self.past.end_unit(end[6].decode("utf-8", "surrogatepass"), self.place, failed)

    def apply(self, event: Event) -> None:
        if event.event_type == EventType.RUN_RESUMED:
            self.past.begin_again()
        super().apply(event)
        if event.event_type == EventType.UNIT_STARTED:
            self.past.begin_unit(event.payload["unit"])
        else:
            self.past.add(event, self.place)


def read_past(reader: JournalReader, *, resuming: bool = True) -> Past:
    """Everything that a run must know of its journal; when it is resumed now, failed units are void.

    Raises StorageError.
    """
    past = Past(_path=reader.path)
    filing = _Filing(past)
    for line in reader.lines():
        filing.place = reader.position - len(line) - 1
        if not filing.take(line):
            reader.bad_lines += 1
    filing.done()
    if resuming:
        past.begin_again()
    return past


def _canonical(event_type: EventType, payload: Mapping[str, Any]) -> str:
    return event_type + json.dumps(payload, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def _slot(event_type: EventType, payload: Mapping[str, Any]) -> Slot:
    """What can be said only in one way; empty for what may be said again."""
    if event_type == EventType.REFLECTION_DECISION:
        return event_type, payload["stage"], payload["rung"]
    if event_type == EventType.GRID_RUNG_DONE:
        return event_type, payload["rung"]
    return (event_type,) if event_type in _ONCE else ()
