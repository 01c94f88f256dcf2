"""The journal, line by line: checksums, numbers without gaps, one run id, a whole last line."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from orchestra_core.artifacts import Home, storage_damage
from orchestra_core.journal.events import Event, parse_line
from orchestra_core.journal.state import RunState
from orchestra_core.verification.ledger import Ledger


@dataclass
class Story:
    """What could be read of a run's journal."""

    file: str
    state: RunState = field(default_factory=RunState)
    events: list[Event] = field(default_factory=list)

    def last(self, event_type: str) -> dict[str, Any] | None:
        """The payload of the last event of a type."""
        found = [event.payload for event in self.events if event.event_type == event_type]
        return dict(found[-1]) if found else None


def check_journal(ledger: Ledger, home: Home) -> Story:
    """Note every bad line, and fold the good ones. Raises StorageError when it can't be read."""
    path = home.journal(ledger.run_id)
    with storage_damage(path):
        *lines, rest = path.read_bytes().split(b"\n")
    story = Story(home.relative(path))
    for number, event in _sound_lines(ledger, story.file, lines):
        with ledger.reading(story.file, f"line {number} · {event.event_type}"):
            story.state.apply(event)
        story.events.append(event)
    if rest:
        ledger.differs(story.file, f"line {len(lines) + 1}", _shown(rest), "a line that ends")
    return story


def _sound_lines(ledger: Ledger, file: str, lines: list[bytes]) -> Iterator[tuple[int, Event]]:
    """Lines whose checksum fits. One that a killed process tore used no number: it held nothing."""
    expected = 1
    bad: list[int] = []
    for number, line in enumerate(lines, 1):
        ledger.checked["journal lines"] += 1
        event = parse_line(line)
        if event is None:
            bad.append(number)
            continue
        if event.seq == expected:
            ledger.checked["torn lines"] += len(bad)
        else:
            _note_bad(ledger, file, lines, bad)
            if not expected < event.seq <= expected + len(bad):  # an altered one has used a number
                ledger.differs(file, f"line {number} · seq", event.seq, expected)
        if event.run_id != ledger.run_id:
            ledger.differs(file, f"line {number} · run_id", event.run_id, ledger.run_id)
        expected = event.seq + 1
        bad.clear()
        yield number, event
    _note_bad(ledger, file, lines, bad)


def _note_bad(ledger: Ledger, file: str, lines: list[bytes], numbers: list[int]) -> None:
    for number in numbers:
        shown = _shown(lines[number - 1])
        ledger.differs(file, f"line {number}", shown, "a line whose checksum fits")


def _shown(line: bytes) -> str:
    text = line.decode("utf-8", "replace")
    return text if len(text) <= 80 else f"{text[:79]}…"
