"""Results of one run's units, here or in an earlier run: looked up, stored, recorded.

What comes back is stored before the journal says that it is done. Units that were quick are stored
together, so that a run of many costs few syncs and a kill loses at most `AT_RISK_S` of finished work.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestra_core.artifacts import write_atomic
from orchestra_core.errors import StorageError
from orchestra_core.journal.events import Event, EventType
from orchestra_core.journal.past import Past
from orchestra_core.journal.recorder import Recorder
from orchestra_core.journal.units import sent
from orchestra_core.observation import UnitResult
from orchestra_core.scheduling.budget import Budget
from orchestra_core.scheduling.records import SIZE, Payload, about_unit, answered, figures_of
from orchestra_core.scheduling.results import Item, ResultFolder, Seen, encode

AT_RISK_S = 0.25
"""Seconds of finished work that may be in memory only."""


@dataclass
class Earlier:
    """Results of another run that still hold here."""

    run_id: str
    past: Past
    results: ResultFolder

    def take_answered(self, key: str) -> Event | None:
        """The end of a unit whose every request was answered."""
        while (event := self.past.take_unit(key)) is not None and event.payload["failures"]:
            pass
        return event


@dataclass
class UnitStore:
    """The results of one run."""

    results: ResultFolder
    recorder: Recorder
    budget: Budget
    past: Past
    earlier: Earlier | None = None
    replaying: bool = field(default=False, kw_only=True)
    """Nothing may be asked, so nothing may be missing."""
    has_lost: bool = False
    """Whether something was, in a replay: what follows from the rest is not what the run found."""
    error: Mapping[str, Any] | None = None
    """Of the unit that `stored` gave last, if it failed."""
    _waiting: list[tuple[Payload, Sequence[Item]]] = field(default_factory=list)
    _at_risk_s: float = 0.0
    _failures: Counter[str] = field(default_factory=Counter)

    def flush(self) -> None:
        """Store what is in memory only, and say so in the journal. Raises StorageError."""
        # Taken out first: better asked twice than recorded twice, if an interrupt comes in between.
        waiting, self._waiting, self._at_risk_s = self._waiting, [], 0.0
        if not waiting:
            return
        file = encode((payload["unit"], items) for payload, items in waiting)
        write_atomic(self.results.path(file.name), file.data)
        self.recorder.record_all(
            (EventType.UNIT_DONE, {**payload, "result": file.name}) for payload, _ in waiting
        )

    def take_failures(self) -> Counter[str]:
        """Reason → count of what failed as it was asked, since this was called last.

        When nothing may be asked, what is stored stands for it.
        """
        failures, self._failures = self._failures, Counter()
        return failures

    def stored(self, key: str, about: Payload, kind: type[Seen]) -> tuple[Seen, ...] | None:
        """What is on record of a unit, here or in an earlier run; empty for one that failed."""
        while (event := self.past.take_unit(key)) is not None:
            self.recorder.restore(event)
            self._spend(event.payload)
            try:
                items = _read(event, self.results, kind)
            except StorageError as error:
                self._lose(event, error)
                continue
            self.error = event.payload.get("error")
            if self.replaying:
                self._failures.update(event.payload["failures"])
            return items
        if self.earlier is None or (event := self.earlier.take_answered(key)) is None:
            return None
        try:
            items = _read(event, self.earlier.results, kind)
        except StorageError:
            return None  # it does not hold here
        self.error = None
        size = {name: event.payload[name] for name in SIZE}
        self.keep(key, {**about, **size, "reused_from": self.earlier.run_id}, items, 0.0)
        return items

    def keep(
        self,
        key: str,
        about: Payload,
        items: Sequence[Item],
        seconds: float,
        tab: Hashable = None,
        **took: float,
    ) -> None:
        """A result, or the part of one; `took`: what its figures do not tell."""
        payload = {**about, **figures_of(key, items, seconds), **took}
        self._waiting.append((payload, items))
        self._failures.update(payload["failures"])
        self._at_risk_s += seconds
        self._spend(payload, tab)
        if self._at_risk_s >= AT_RISK_S:
            self.flush()

    def keep_part(self, key: str, result: UnitResult) -> None:
        """What was answered, and what all of it took, before a limit ended the unit."""
        spent = self.budget.tab(result.unit)
        if spent.requests:
            part, items = answered(result.unit, result.observations)
            took = {"repetitions": spent.requests - part.size, "cost_usd": spent.cost_usd}
            self.keep(key, about_unit(part), items, result.seconds, tab=result.unit, **took)
        self.budget.close(result.unit)

    def keep_failure(self, key: str, result: UnitResult, failed: Sequence[Item]) -> None:
        """A unit that failed as a whole, and what it had spent by then."""
        spent = self.budget.tab(result.unit)
        spent.close()
        payload = {
            **about_unit(result.unit),
            **figures_of(key, failed, result.seconds),
            "repetitions": max(0, spent.requests - result.unit.size),
            "cost_usd": spent.cost_usd,
            "error": dict(result.error or {}),
        }
        self.recorder.record(EventType.UNIT_FAILED, payload)
        self._failures.update(payload["failures"])
        self._spend(payload, result.unit)

    def _lose(self, event: Event, error: StorageError) -> None:
        """Say that a result is gone, so that its unit is asked again."""
        if self.replaying:
            self.has_lost = True
            raise error
        told = dict(event.payload)
        told["sent"] = sent(told)
        kept = ("stage", "rung", "kind", "requests", "sent", "cost_usd", "failures", "unit", "result")
        payload = {**{name: told[name] for name in kept}, "error": error.as_payload()}
        self.recorder.record(EventType.UNIT_LOST, payload)
        self.past.lose_unit(event)

    def _spend(self, payload: Mapping[str, Any], tab: Hashable = None) -> None:
        """What is on record takes the place of the unit's tab."""
        self.budget.close(tab)
        if "reused_from" not in payload:
            self.budget.spend(payload["requests"] + payload["repetitions"], payload["cost_usd"])


def _read(event: Event, results: ResultFolder, kind: type[Seen]) -> tuple[Seen, ...]:
    if event.event_type == EventType.UNIT_FAILED:
        return ()
    return results.read(event.payload["result"], event.payload["unit"], kind)
