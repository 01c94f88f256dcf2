"""The history of winners against itself and against the journals that are here.

The chain shows what was altered within it; that its end is still the end, only the journals know.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from orchestra_core.artifacts import Home
from orchestra_core.history import broken_records, read_history
from orchestra_core.journal.memory import load_state
from orchestra_core.journal.state import RunState


@dataclass(frozen=True)
class HistoryCheck:
    """What is wrong with the history, by run id."""

    records: int
    broken: tuple[str, ...]
    """Whose record has a hash that does not fit."""
    removed: tuple[str, ...]
    """Who published a winner, as their journals say, and have no record."""
    added: tuple[str, ...]
    """Who have a record, though their journals say that they published nothing, or more than one."""

    @property
    def is_whole(self) -> bool:
        """Whether nothing is."""
        return not (self.broken or self.removed or self.added)


def check_winners(home: Home) -> HistoryCheck:
    """Raises StorageError when the history or a journal cannot be read.

    A record whose journal is gone can only be checked by its hash. What was published in another home
    is in that home's history.
    """
    # Before the history is read: a record is written before the journal says so.
    known = home.run_ids()
    published = [run_id for run_id in known if has_published(load_state(home, run_id))]
    records = read_history(home)
    counts = Counter(str(record["run_id"]) for record in records)
    removed = [r for r in published if not counts[r] and not home.origin(r).exists()]
    doubted = [r for r in counts if r in known and r not in published]
    added = [r for r, count in counts.items() if count > 1]
    added += [r for r in doubted if not may_have_published(load_state(home, r))]
    return HistoryCheck(len(records), tuple(broken_records(records)), tuple(removed), tuple(added))


def has_published(state: RunState) -> bool:
    """Whether the journal says that its winner entered the history."""
    return bool((state.publication or {}).get("published", False))


def may_have_published(state: RunState) -> bool:
    """Whether there may be a record: a killed process leaves one before its journal says so."""
    publishing = state.stage == "publish" and state.stages["publish"].status == "running"
    return has_published(state) or publishing
