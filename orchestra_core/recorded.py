"""A runner and an executor that answer nothing: all that a replay needs of them is on record."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any, NoReturn

from orchestra_core.observation import Unit, UnitResult
from orchestra_core.runner import Fingerprint, Health


class RecordedRunner:
    """Says what the run's runner said it measures and how it was, and answers nothing."""

    def __init__(self, fingerprint: Mapping[str, Any], is_well: Callable[[], bool]) -> None:
        self._fingerprint, self._is_well = fingerprint, is_well

    def fingerprint(self) -> Fingerprint:
        """As recorded at the start of the run."""
        return Fingerprint(**{f.name: self._fingerprint[f.name] for f in fields(Fingerprint)})

    def health(self) -> Health:
        """As recorded."""
        return Health(self._is_well())

    def evaluate(self, configurations: object, queries: object) -> NoReturn:
        """Never called."""
        raise NotImplementedError

    def probe(self, configuration: object, queries: object, load: object) -> NoReturn:
        """Never called."""
        raise NotImplementedError

    def close(self) -> None:
        """Nothing is held."""


class Nobody:
    """An executor that is given nothing."""

    def run(self, units: Sequence[Unit], evaluate: object) -> Iterator[UnitResult]:
        """No results."""
        del units, evaluate
        return iter(())

    def close(self) -> None:
        """Nothing was begun."""


def ask_nobody(unit: Unit) -> UnitResult:
    """Never called."""
    raise NotImplementedError(unit)
