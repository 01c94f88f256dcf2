"""What a verification has looked at, and what did not agree."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from orchestra_core.errors import InfrastructureError, OrchestraError

ABSENT = "(absent)"
PUT_BACK = "put back"
"""Among what was checked: files that a replay wrote again."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that does not agree, or cannot be checked."""

    kind: Literal["differs", "missing"]
    file: str
    """Path relative to the home folder, or the name of the dataset."""
    what: str
    """Line, query, field: as near as can be told."""
    recorded: Any
    recomputed: Any


@dataclass
class Ledger:
    """Grows while a run is checked."""

    run_id: str
    findings: list[Finding] = field(default_factory=list)
    checked: Counter[str] = field(default_factory=Counter)
    """Kind of evidence → how much of it was looked at."""

    @property
    def exit_code(self) -> int:
        """0 all agrees, 1 something differs, 3 nothing differs but evidence is missing."""
        if any(finding.kind == "differs" for finding in self.findings):
            return 1
        return InfrastructureError.exit_code if self.findings else 0

    def differs(self, file: str, what: str, recorded: Any, recomputed: Any) -> None:
        """Note a difference."""
        self.findings.append(Finding("differs", file, what, recorded, recomputed))

    def missing(self, file: str, what: str) -> None:
        """Note that something could not be checked."""
        self.findings.append(Finding("missing", file, what, None, None))

    @contextmanager
    def reading(self, file: str, what: str) -> Iterator[None]:
        """A record that makes no sense is a difference, not a crash."""
        try:
            yield
        except (OrchestraError, ValueError, KeyError, TypeError) as error:
            told = error.message if isinstance(error, OrchestraError) else repr(error)
            self.differs(file, what, "something that makes sense", told)

    def compare(self, file: str, what: str, recorded: Any, recomputed: Any) -> None:
        """Note every leaf of two JSON values that is not the same, floats to the last digit."""
        if isinstance(recorded, Mapping) and isinstance(recomputed, Mapping):
            for key in dict.fromkeys([*recorded, *recomputed]):
                pair = recorded.get(key, ABSENT), recomputed.get(key, ABSENT)
                self.compare(file, f"{what} · {key}", *pair)
        elif _is_list(recorded) and _is_list(recomputed) and len(recorded) == len(recomputed):
            for index, pair in enumerate(zip(recorded, recomputed, strict=True)):
                self.compare(file, f"{what}[{index}]", *pair)
        else:
            self.checked["figures"] += 1
            if type(recorded) is not type(recomputed) or recorded != recomputed:
                self.differs(file, what, recorded, recomputed)


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str)
