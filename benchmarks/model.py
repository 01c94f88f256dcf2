"""The nouns of this package: a benchmark measures figures, and a result is what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class Figure:
    """One measured line. `reached` is None where there is nothing to reach: context for the reader."""

    what: str
    measured: str
    reach: str = ""
    reached: bool | None = None


class Watch(Protocol):
    """How a benchmark says how far it is."""

    def expect(self, steps: int) -> None:
        """So many steps there will be."""

    def step(self, label: str) -> None:
        """A step begins, and the one before it is over."""

    def finish(self) -> None:
        """All steps are over."""


@dataclass(frozen=True)
class Benchmark:
    """One claim and how it is measured."""

    name: str
    claim: str
    how: str
    """For the reader of RESULTS.md: what is run, how often, and what stands against what."""
    measure: Callable[[Watch, bool], Sequence[Figure]]
    """Called with a watch and whether to be quick."""
    missing: Callable[[], str] = lambda: ""
    """What this machine lacks to measure it, and how to get it; empty when nothing."""


@dataclass(frozen=True)
class Result:
    """What one benchmark found, where and when."""

    name: str
    claim: str
    how: str
    figures: tuple[Figure, ...]
    machine: Mapping[str, str] = field(default_factory=dict)
    error: str = ""
