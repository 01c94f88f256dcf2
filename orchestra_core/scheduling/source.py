"""Where a unit's result comes from: the record of an earlier sitting, else the target.

What comes back is stored before the journal says that it is done. Units that were quick are stored
together, so that a run of many costs few syncs and a kill loses at most `AT_RISK_S` of finished work.
A unit that the run's budget cut short is stored as far as it came, under the key of the whole; the rest
is asked when the run goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from orchestra_core.artifacts import Home, write_atomic
from orchestra_core.errors import BudgetExhausted, RunCancelled, StorageError
from orchestra_core.journal.events import Event, EventType
from orchestra_core.journal.past import Past
from orchestra_core.journal.recorder import Recorder
from orchestra_core.journal.state import QUARANTINED
from orchestra_core.observation import (
    Failure,
    LatencySample,
    Observation,
    Query,
    Unit,
    UnitResult,
)
from orchestra_core.payloads import Executor
from orchestra_core.plan import Configuration, Plan
from orchestra_core.runner import Load
from orchestra_core.scheduling.budget import Budget, Tab
from orchestra_core.scheduling.keys import UnitKeys
from orchestra_core.scheduling.records import (
    SIZE,
    Payload,
    about_probe,
    about_unit,
    answered,
    figures_of,
    rest_of,
)
from orchestra_core.scheduling.results import Item, ResultFolder, Seen, encode
from orchestra_core.scheduling.units import failed_observations, failed_samples

AT_RISK_S = 0.25
"""Seconds of finished work that may be in memory only."""
DEADLY = 3
"""A unit during which the process died so often is not asked again."""

Ask = Callable[[Unit], UnitResult]


class AskProbe(Protocol):
    """Takes a probe's samples; fewer than queries where the budget ended it."""

    def __call__(self, queries: Sequence[Query], *, tab: Tab) -> list[LatencySample]:
        """`tab`: what it spends."""


@dataclass
class Earlier:
    """Results of another run that still hold here."""

    run_id: str
    past: Past
    results: ResultFolder


@dataclass
class UnitSource:
    """Units of one run: looked up, asked, stored, recorded, each in one place."""

    home: Home
    plan: Plan
    recorder: Recorder
    executor: Executor
    ask: Ask
    budget: Budget
    keys: UnitKeys
    past: Past = field(default_factory=Past)
    earlier: Earlier | None = None
    asks: Literal["anything", "tried", "nothing"] = "anything"
    """`tried`: only what failed or was interrupted before. `nothing`: only what is stored is given."""
    _waiting: list[tuple[Payload, Sequence[Item]]] = field(default_factory=list)
    _at_risk_s: float = 0.0

    def __post_init__(self) -> None:
        self._last: Event | None = None
        self._results = ResultFolder(self.home.units(self.recorder.run_id))
        self._limit: Mapping[str, Any] | None = None
        """The error of the limit that ended the asking."""
        self.budget.spend(*self.past.spent_in_vain())

    def evaluate(self, units: Sequence[Unit]) -> Iterator[tuple[Observation, ...]]:
        """Each unit's observations, what is stored first; call `flush` when all were taken.

        Raises BudgetExhausted once what was under way is over.
        """
        keyed: dict[Unit, str] = {}
        for whole in units:
            key = self.keys.evaluate(self.plan.select(whole.config_ids), whole.query_ids)
            unit = yield from self._stored_parts(whole, key)
            if not unit.query_ids:
                continue
            if self.past.deaths[key] >= DEADLY:
                yield self._take(_failed_as(unit, {"error": _quarantine(key)}), key)
            else:
                self._check_may_ask(key)
                keyed[unit] = key
        yield from self._fresh(keyed)

    def _fresh(self, keyed: Mapping[Unit, str]) -> Iterator[tuple[Observation, ...]]:
        """What must be asked."""
        fresh = list(keyed)
        # One that may have killed the process is asked alone, and kept, so that no other is blamed.
        suspects = [unit for unit in fresh if self.past.deaths[keyed[unit]]]
        suspects.sort(key=lambda unit: self.past.deaths[keyed[unit]])
        others = [unit for unit in fresh if not self.past.deaths[keyed[unit]]]
        for group in filter(None, [*([unit] for unit in suspects), others]):
            for result in self.executor.run(group, lambda unit: self._asked(unit, keyed[unit])):
                yield self._take(result, keyed[result.unit])
            if suspects:
                self.flush()
            if self._limit is not None:
                raise _at(self._limit)

    def probe(
        self,
        place: tuple[str, int],
        configuration: Configuration,
        queries: Sequence[Query],
        load: Load,
        ask: AskProbe,
    ) -> list[LatencySample]:
        """The samples of a probe in stage and rung `place`; `ask` takes those that are not stored.

        Raises BudgetExhausted.
        """
        key = self.keys.probe(configuration, [query.query_id for query in queries], load)
        samples: list[LatencySample] = []
        left = list(queries)
        about = about_probe(place, len(left), load)
        while left and (stored := self._stored(key, about, LatencySample)) is not None:
            samples += stored
            there = {sample.query_id for sample in stored}
            left = [query for query in left if query.query_id not in there]
        if not left:
            return samples
        began = time.perf_counter()
        tab = self.budget.tab(key)
        if self.past.deaths[key] >= DEADLY:
            failure = Failure(QUARANTINED, _quarantine(key)["msg"])
            fresh = failed_samples(configuration, left, failure)
        else:
            self._check_may_ask(key)
            self.budget.check(1)
            self._begin(key)
            fresh = ask(left, tab=tab)
        about = about_probe(place, len(fresh), load)
        # The tab knows of warm-up requests, which have no sample.
        repeated = sum(max(0, sample.attempts - 1) for sample in fresh)
        took = {
            "repetitions": max(repeated, tab.requests - about["requests"]),
            "cost_usd": tab.cost_usd,
        }
        self._keep(key, about, fresh, time.perf_counter() - began, tab=key, **took)
        if len(fresh) < len(left):
            self.budget.check(1)
        return samples + fresh

    def flush(self) -> None:
        """Store what is in memory only, and say so in the journal. Raises StorageError."""
        # Taken out first: better asked twice than recorded twice, if an interrupt comes in between.
        waiting, self._waiting, self._at_risk_s = self._waiting, [], 0.0
        if not waiting:
            return
        file = encode((payload["unit"], items) for payload, items in waiting)
        write_atomic(self._results.path(file.name), file.data)
        self.recorder.record_all(
            (EventType.UNIT_DONE, {**payload, "result": file.name}) for payload, _ in waiting
        )

    def _stored_parts(self, unit: Unit, key: str) -> Generator[tuple[Observation, ...], None, Unit]:
        """What is on record of a unit; returns what is left of it."""
        while unit.query_ids:
            stored = self._stored(key, about_unit(unit), Observation)
            if stored is None:
                break
            if self._last_failed():
                stored = self._stored_failure(unit)
            unit = rest_of(unit, stored)
            yield stored
        return unit

    def _stored(self, key: str, about: Payload, kind: type[Seen]) -> tuple[Seen, ...] | None:
        """What is on record of a unit, here or in an earlier run; empty for one that failed."""
        if (event := self.past.take_unit(key)) is not None:
            items = _read(event, self._results, kind)
            self._last = event
            self.recorder.restore(event)
            self._spend(event.payload)
            return items
        event = self.earlier.past.take_unit(key) if self.earlier else None
        if self.earlier is None or event is None or event.event_type != EventType.UNIT_DONE:
            return None
        items = _read(event, self.earlier.results, kind)
        self._last = event
        size = {name: event.payload[name] for name in SIZE}
        self._keep(key, {**about, **size, "reused_from": self.earlier.run_id}, items, 0.0)
        return items

    def _last_failed(self) -> bool:
        return self._last is not None and self._last.event_type == EventType.UNIT_FAILED

    def _stored_failure(self, unit: Unit) -> tuple[Observation, ...]:
        payload = self._last.payload if self._last else {}
        return failed_observations(_failed_as(unit, payload))

    def _check_may_ask(self, key: str) -> None:
        if self.asks == "anything" or (self.asks == "tried" and key in self.past.attempted):
            return
        if self.asks == "tried":
            hint = f"Go on with all of it: orchestra resume {self.recorder.run_id}"
            raise RunCancelled("what had failed or was interrupted was asked again", hint=hint)
        raise StorageError(
            "the result of a unit is not on record, and nothing may be asked",
            where=self.recorder.run_id,
            hint=f"Go on with the run: orchestra resume {self.recorder.run_id}",
        )

    def _asked(self, unit: Unit, key: str) -> UnitResult:
        """On a worker's thread."""
        try:
            self.budget.check(1)
        except BudgetExhausted as limit:
            return UnitResult(unit, (), 0.0, limit.as_payload())
        self._begin(key)
        return self.ask(unit)

    def _begin(self, key: str) -> None:
        self.recorder.record(EventType.UNIT_STARTED, {"unit": key})

    def _take(self, result: UnitResult, key: str) -> tuple[Observation, ...]:
        about = about_unit(result.unit)
        if result.error is None:
            self._keep(key, about, result.observations, result.seconds, tab=result.unit)
            return result.observations
        if result.error["type"] == BudgetExhausted.code:
            self._limit = result.error
            self._keep_part(result, key)
            return ()
        observations = failed_observations(result)
        error = dict(result.error)
        if error["type"] == "timeout":
            self.recorder.record(EventType.RUNNER_TIMEOUT, {"error": error})
        figures = figures_of(key, observations, result.seconds)
        self.recorder.record(EventType.UNIT_FAILED, {**about, **figures, "error": error})
        self._spend({**about, **figures}, tab=result.unit)
        return observations

    def _keep_part(self, result: UnitResult, key: str) -> None:
        """What was answered, and what all of it took, before a limit ended the unit."""
        spent = self.budget.tab(result.unit)
        if spent.requests:
            part, items = answered(result.unit, result.observations)
            took = {"repetitions": spent.requests - part.size, "cost_usd": spent.cost_usd}
            self._keep(key, about_unit(part), items, result.seconds, tab=result.unit, **took)
        self.budget.close(result.unit)

    def _keep(
        self,
        key: str,
        about: Payload,
        items: Sequence[Item],
        seconds: float,
        tab: Hashable = None,
        **took: float,
    ) -> None:
        payload = {**about, **figures_of(key, items, seconds), **took}
        self._waiting.append((payload, items))
        self._at_risk_s += seconds
        self._spend(payload, tab)
        if self._at_risk_s >= AT_RISK_S:
            self.flush()

    def _spend(self, payload: Mapping[str, Any], tab: Hashable = None) -> None:
        """What is on record takes the place of the unit's tab."""
        self.budget.close(tab)
        if "reused_from" not in payload:
            self.budget.spend(payload["requests"] + payload["repetitions"], payload["cost_usd"])


def _read(event: Event, results: ResultFolder, kind: type[Seen]) -> tuple[Seen, ...]:
    if event.event_type == EventType.UNIT_FAILED:
        return ()
    return results.read(event.payload["result"], event.payload["unit"], kind)


def _at(limit: Mapping[str, Any]) -> BudgetExhausted:
    return BudgetExhausted(limit["msg"], hint=limit["hint"], details=limit["details"])


def _failed_as(unit: Unit, payload: Mapping[str, Any]) -> UnitResult:
    return UnitResult(unit, (), 0.0, payload["error"])


def _quarantine(key: str) -> Payload:
    told = f"the process died {DEADLY} times while unit {key[:12]} was being asked"
    hint = "Look at the target's and the system's logs; the unit counts as failed."
    return {"type": QUARANTINED, "msg": told, "hint": hint, "details": {"unit": key}}
