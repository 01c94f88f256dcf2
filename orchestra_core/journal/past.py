"""What a run's journal says was done already: what a resumed run finds instead of doing it again.

A resumed run goes through the same loop once more. What it would record and finds here is not written
twice; a unit that it would ask and finds here is not asked again. What was decided differently then
than now is a contradiction, and ends the resumption.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict, deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestra_core.errors import RunChanged
from orchestra_core.journal.events import Event, EventType
from orchestra_core.journal.state import RunState, Step, stands

UNITS = frozenset({EventType.UNIT_DONE, EventType.UNIT_FAILED})
ENDINGS = frozenset({EventType.RUN_COMPLETED, EventType.RUN_FAILED, EventType.RUN_CANCELLED})
JOBS = frozenset({EventType.JOB_DONE, EventType.JOB_FAILED})
_ANEW = frozenset(
    {
        *ENDINGS,
        *(t for t in EventType if t.endswith("_FAILED") and t not in JOBS),
        *(EventType.RUN_STARTED, EventType.RUN_RESUMED, EventType.HEALTH_OK, EventType.HEALTH_FAIL),
        *(EventType.RETRY, EventType.ALIAS_APPLIED, EventType.RUNNER_TIMEOUT),
        *(EventType.UNIT_STARTED, EventType.UNIT_DONE, EventType.ARTIFACT_WRITTEN),
        *(EventType.POLICY_INTENT, EventType.POLICY_APPLIED, EventType.POLICY_ROLLED_BACK),
    }
)
"""What is true of one sitting only, or is found by other means."""
_ONCE = frozenset({"SMOKE_DONE", "GRID_DONE", "AB_STARTED", "VERDICT", "SELECT_DONE"})
Slot = tuple[object, ...]


@dataclass
class Past:
    """Made by `read_past`; whatever is found is taken out."""

    state: RunState = field(default_factory=RunState)
    """The fold of the journal."""
    started: Event | None = None
    units: dict[str, deque[Event]] = field(default_factory=lambda: defaultdict(deque))
    """Unit key → its ends, in order; without those that failed in the step that is still open."""
    attempted: set[str] = field(default_factory=set)
    """Keys of all units that were ever begun."""
    deaths: Counter[str] = field(default_factory=Counter)
    """Unit key → how often the process died while the unit was being asked."""
    applied: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """Plugin → what it said when it applied its policy, unless that was rolled back."""
    intended: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """Plugin → what it needs to undo what it may have applied, until that was undone."""
    keyless: int = 0
    """Units of an older version, whose results were not kept."""
    _events: dict[str, deque[Event]] = field(default_factory=lambda: defaultdict(deque))
    _slots: Counter[Slot] = field(default_factory=Counter)
    _jobs: dict[str, Event] = field(default_factory=dict)
    """Job id → the last event of the job."""
    _open: set[str] = field(default_factory=set)

    def take(self, event_type: EventType, payload: Mapping[str, Any]) -> Event | None:
        """The recorded event that says the same, or None. Raises RunChanged when it says otherwise."""
        if event_type in _ANEW:
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
        """The end of a unit that need not be asked again."""
        found = self.units.get(key)
        return found.popleft() if found else None

    def spent_in_vain(self) -> tuple[int, float]:
        """Requests and USD of units that are asked again: no result is left of them."""
        kept = [e.payload for found in self.units.values() for e in found]
        own = [payload for payload in kept if "reused_from" not in payload]
        requests = sum(p["requests"] + p.get("repetitions", 0) for p in own)
        cost = sum(p.get("cost_usd", 0.0) for p in own)
        return self.state.requests - requests, max(0.0, self.state.cost_usd - cost)

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

    def _add(self, event: Event) -> None:
        kind, payload = event.event_type, event.payload
        if kind == EventType.RUN_RESUMED:
            self._begin_again()
        self.state.apply(event)
        if kind in _FILING:
            _FILING[kind](self, event)
        if kind not in _ANEW:
            self._events[_canonical(kind, payload)].append(event)
            self._slots[_slot(kind, payload)] += 1

    def _begin(self, event: Event) -> None:
        self.started = event

    def _begin_unit(self, event: Event) -> None:
        self._open.add(event.payload["unit"])
        self.attempted.add(event.payload["unit"])

    def _end(self, _event: Event) -> None:
        self._open.clear()  # interrupted, but it killed nobody

    def _add_job(self, event: Event) -> None:
        self._jobs[event.payload["job_id"]] = event

    def _add_intent(self, event: Event) -> None:
        if "undo" in event.payload:
            self.intended[event.payload["plugin"]] = event.payload["undo"]

    def _add_policy(self, event: Event) -> None:
        self.applied[event.payload["plugin"]] = event.payload
        self.intended[event.payload["plugin"]] = event.payload["undo"]

    def _drop_policy(self, event: Event) -> None:
        self.applied.pop(event.payload["plugin"], None)
        if event.payload["undone"]:
            self.intended.pop(event.payload["plugin"], None)

    def _add_unit(self, event: Event) -> None:
        key = event.payload.get("unit")
        if key is None:
            self.keyless += 1
            return
        self._open.discard(key)
        self.deaths.pop(key, None)
        self.attempted.add(key)
        self.units[key].append(event)

    def _begin_again(self) -> None:
        """What a resumption means: units under way have died with it, failed ones are asked again."""
        self.deaths.update(self._open)
        self._open.clear()
        failed, step = self.state.failed_units, self.state.step
        if not failed or step is None:
            return
        void = {id(payload) for payload in failed}
        for payload in failed:
            kept = [e for e in self.units[payload["unit"]] if id(e.payload) not in void]
            self.units[payload["unit"]] = deque(kept)
        self._forget(step)

    def _forget(self, step: Step) -> None:
        for name, found in list(self._events.items()):
            kept = deque(event for event in found if stands(event, step))
            for event in found:
                if not stands(event, step):
                    self._slots[_slot(event.event_type, event.payload)] -= 1
            self._events[name] = kept


_FILING: dict[EventType, Callable[[Past, Event], None]] = {
    EventType.RUN_STARTED: Past._begin,  # noqa: SLF001 - its own module
    EventType.UNIT_STARTED: Past._begin_unit,  # noqa: SLF001
    **dict.fromkeys(UNITS, Past._add_unit),  # noqa: SLF001
    **dict.fromkeys(ENDINGS, Past._end),  # noqa: SLF001
    **dict.fromkeys(JOBS, Past._add_job),  # noqa: SLF001
    EventType.POLICY_INTENT: Past._add_intent,  # noqa: SLF001
    EventType.POLICY_APPLIED: Past._add_policy,  # noqa: SLF001
    EventType.POLICY_ROLLED_BACK: Past._drop_policy,  # noqa: SLF001
}


def read_past(events: Iterable[Event], *, resuming: bool = True) -> Past:
    """Everything that a run must know of its journal; when it is resumed now, failed units are void."""
    past = Past()
    for event in events:
        past._add(event)  # noqa: SLF001 - its own module
    if resuming:
        past._begin_again()  # noqa: SLF001
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
