"""Files that were derived again against those that are there and what the journal says of them."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestra_core.artifacts import Home, storage_damage, write_atomic
from orchestra_core.journal.state import RunState
from orchestra_core.pictures import data_of
from orchestra_core.verification.jobs import check_sha256
from orchestra_core.verification.ledger import PUT_BACK, Ledger


@dataclass(frozen=True)
class DerivedFiles:
    """Every job's folder and every artifact, as they came out again."""

    ledger: Ledger
    home: Home
    state: RunState
    derived: Mapping[str, bytes]
    """Path relative to the home folder → content."""

    def compare(self, *, write: bool) -> None:
        """Note what is not as derived, byte by byte; of a picture, its data. `write` puts it back.

        An artifact that nobody derives now is compared with its recorded hash, and told.
        """
        for name, again in self.derived.items():
            self.ledger.checked["files"] += 1
            self._compare(name, again, write=write)
        for name, recorded in self.state.artifacts.items():
            if name not in self.derived:
                check_sha256(self.ledger, self.home, self.home.root / name, recorded)
                self.ledger.missing(
                    name, "nobody derives it now: the plugin that wrote it is not loaded"
                )

    def _compare(self, name: str, again: bytes, *, write: bool) -> None:
        there, content = self.home.root / name, None
        if there.is_file():
            with storage_damage(there):
                content = there.read_bytes()
        recorded = self.state.artifacts.get(name, "")
        if content != again and not self._is_same_picture(name, content, again):
            if write:
                write_atomic(there, again)
                self.ledger.checked[PUT_BACK] += 1
            elif content is None:
                self._miss(name, recorded)
                return
            else:
                self.ledger.differs(name, "content", "another", "as derived")
                return
        if recorded and not name.endswith(".png") and recorded != _sha256(again):
            self.ledger.differs(name, "sha256", recorded, _sha256(again))

    def _is_same_picture(self, name: str, content: bytes | None, again: bytes) -> bool:
        """Whether it is the recorded picture, of the same data; another library may have drawn it."""
        if content is None or not name.endswith(".png"):
            return False
        recorded = self.state.artifacts.get(name)
        return data_of(content) == data_of(again) is not None and recorded in {_sha256(content), None}

    def _miss(self, name: str, recorded: str) -> None:
        """A killed process may not have come to write a file that the journal does not know."""
        path = Path(name)
        is_job = path.is_relative_to(self.home.runs_dir)
        known = path.parent.name in self.state.jobs if is_job else recorded or self.state.told
        if known:
            self.ledger.missing(name, "the file is not there")


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
