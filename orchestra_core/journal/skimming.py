"""The fold of a long journal, quickly: most lines are of units, and are read as far as they count.

The state is that of `fold`, to the last digit.
"""

from __future__ import annotations

import json
import re
from collections import deque
from typing import Any

from orchestra_core.journal.events import Event, parse_line
from orchestra_core.journal.log import JournalReader
from orchestra_core.journal.state import MOST_TOLD, RunState
from orchestra_core.journal.units import FailedUnit, may_be_asked_again, sent

_TYPE = b'"event_type":"'
_UNIT_STARTED = b'UNIT_STARTED"'
_COUNTED = (b'RETRY"', b'ALIAS_APPLIED"')
"""They are only counted."""
_TOLD = b'RUNNER_TIMEOUT"'
_REUSED = b'"reused_from"'
_UNIT_END = re.compile(
    rb'\{"v":\d+,"seq":(\d+),"run_id":"[^"\\]*","event_type":"(UNIT_DONE|UNIT_FAILED)","payload":'
    rb'(\{"stage":"\w+","rung":\d+,"kind":"\w+","configurations":\d+,"queries":\d+,"requests":\d+,'
    rb'"repetitions":\d+),"cost_usd":([-+.\deE]+),"failures":(\{[^{}]*\}),"seconds":[-+.\deE]+,'
    rb'"unit":"([^"\\]*)"'
)
"""Number, type, size, cost, failures and key of a unit's end, as the engine writes it."""
_MANY = 1000
"""Sizes of units that are held parsed."""


def skim(reader: JournalReader) -> RunState:
    """The state after all that the reader has still to read. Raises StorageError."""
    skimmer = Skimmer()
    for line in reader.lines():
        if not skimmer.take(line):
            reader.bad_lines += 1
    return skimmer.done()


class Skimmer:
    """Folds lines. Whoever wants more of them than the state extends `started`, `ended` and `apply`."""

    def __init__(self) -> None:
        self.state = RunState()
        self._parsed: dict[bytes, dict[str, Any]] = {}
        self._same: dict[str, Any] = {}
        self._times, self._cost = 0, 0.0
        """So many units of `_same` size and failures have come; what all units cost by now."""
        self._failed: list[FailedUnit] = []
        """Those of them that are asked again."""
        self._asked_again: tuple[str, int, int] | None = None
        """What a unit like `_same` is and sent, if it is asked again."""
        self._told: deque[bytes] = deque(maxlen=MOST_TOLD)
        self._last = b""

    def take(self, line: bytes) -> bool:
        """Take in a line that has the checksum of its content; whether it is an event."""
        at = line.find(_TYPE) + len(_TYPE)
        if not self.state.run_id:
            return self._take_whole(line)
        if line.startswith(_UNIT_STARTED, at):
            self.started(line, at)
        elif line.startswith(_COUNTED, at):
            self.state.events += 1
            self.state.retries += line.startswith(b"RETRY", at)
        elif line.startswith(b"UNIT_", at) and (end := _UNIT_END.match(line)):
            if line.find(_REUSED, end.end()) >= 0:
                return self._take_whole(line)
            self.ended(line, end)
        elif line.startswith(_TOLD, at):
            self.state.events += 1
            self._told.append(line)
        else:
            return self._take_whole(line)
        self._last = line
        return True

    def done(self) -> RunState:
        """The state after all lines so far."""
        self._settle_told()
        if event := parse_line(self._last):
            self.state.last_event_at, self.state.last_seq = event.created_at, event.seq
        return self.state

    def started(self, line: bytes, at: int) -> None:
        """Take in the start of a unit; its type stands at `at`."""
        self.state.events += 1

    def ended(self, line: bytes, end: re.Match[bytes]) -> None:
        """Take in the end of a unit."""
        number, event_type, size, cost, failures, unit = end.groups()
        if event_type == b"UNIT_FAILED":
            self._told.append(line)
        figures = self._figures(size, failures)
        if figures is not self._same:
            self._settle()
            self._same, self._asked_again = figures, None
            if may_be_asked_again(figures["failures"]):
                self._asked_again = figures["kind"], figures["requests"], sent(figures)
        self._times += 1
        if paid := float(cost):
            self._cost += paid
        if (told := self._asked_again) is not None:
            failed = FailedUnit(int(number), _text(unit), *told, paid, figures["failures"])
            self._failed.append(failed)

    def apply(self, event: Event) -> None:
        """Take in any other event."""
        self.state.apply(event)

    def _take_whole(self, line: bytes) -> bool:
        event = parse_line(line)
        if event is None:
            return False
        self._settle_told()
        self.apply(event)
        self._cost, self._last = self.state.cost_usd, b""
        return True

    def _figures(self, size: bytes, failures: bytes) -> dict[str, Any]:
        """What a unit adds to the state but its cost; one object for all that are alike."""
        key = size + failures
        known = self._parsed.get(key)
        if known is None:
            if len(self._parsed) > _MANY:
                self._parsed.clear()
            known = self._parsed[key] = json.loads(b'%b,"failures":%b}' % (size, failures))
        return known

    def _settle(self) -> None:
        if self._times:
            self.state.apply_units(self._same, self._times, self._cost, self._failed)
            self._times, self._failed = 0, []

    def _settle_told(self) -> None:
        self._settle()
        while self._told:
            if event := parse_line(self._told.popleft()):
                self.state.tell(event)


def _text(key: bytes) -> str:
    return key.decode("utf-8", "surrogatepass")
