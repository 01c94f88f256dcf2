"""Whether a journal has all its events: reports, the service and replays tell when one is lost."""

from __future__ import annotations

from dataclasses import dataclass

from orchestra_core.journal.events import Event


@dataclass
class Continuity:
    """Follows the numbers of a journal's events as they are read.

    A line that a killed process tore, and the next one sealed, has used no number: it held nothing.
    """

    number: int = 0
    """Of the last event."""
    _gap: int = 0
    _seen: int = 0

    def take(self, event: Event, bad_lines: int) -> None:
        """Take in the next event; so many bad lines stand before it in all."""
        if event.seq != self.number + 1:
            self._gap = self._gap or self.number + 1
        self.number, self._seen = event.seq, bad_lines

    def lost(self, bad_lines: int) -> int:
        """The number of the first event that is lost, 0 when none is, with so many bad lines in all.

        After the last good line nobody knows what was there.
        """
        return self._gap or (self.number + 1 if bad_lines > self._seen else 0)


def damage_told(run_id: str, lost: int) -> tuple[str, str]:
    """Message and hint for a journal whose event of that number is lost."""
    hint = (
        "Restore the journal from a copy; `orchestra status` shows what is still readable, "
        f"and `orchestra verify {run_id}` which lines they are."
    )
    return f"the journal is damaged: event {lost} is lost, so a report might differ", hint
