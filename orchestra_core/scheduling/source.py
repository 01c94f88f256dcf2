"""Where a unit's result comes from: the record of an earlier sitting, else the target.

A unit that the run's budget cut short is stored as far as it came, under the key of the whole; the rest
is asked when the run goes on.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from orchestra_core.artifacts import Home
from orchestra_core.errors import BudgetExhausted, RunCancelled, StorageError
from orchestra_core.journal.events import EventType
from orchestra_core.journal.past import Past
from orchestra_core.journal.recorder import Recorder
from orchestra_core.journal.units import QUARANTINED
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
    Payload,
    about_probe,
    about_unit,
    rest_of,
)
from orchestra_core.scheduling.results import ResultFolder
from orchestra_core.scheduling.store import Earlier, UnitStore
from orchestra_core.scheduling.units import failed_observations, failed_samples

DEADLY = 3
"""A unit during which the process died so often is not asked again."""

Ask = Callable[[Unit], UnitResult]


class AskProbe(Protocol):
    """Takes a probe's samples; fewer than queries where the budget ended it."""

    def __call__(self, queries: Sequence[Query], *, tab: Tab) -> list[LatencySample]:
        """`tab`: what it spends."""


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

    def __post_init__(self) -> None:
        folder = ResultFolder(self.home.units(self.recorder.run_id))
        replaying = self.asks == "nothing"
        self._store = UnitStore(
            folder, self.recorder, self.budget, self.past, self.earlier, replaying=replaying
        )
        self._limit: Mapping[str, Any] | None = None
        """The error of the limit that ended the asking."""

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
                yield self._take(UnitResult(unit, (), 0.0, _quarantine(key)), key)
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
        while left and (stored := self._store.stored(key, about, LatencySample)) is not None:
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
        self._store.keep(key, about, fresh, time.perf_counter() - began, tab=key, **took)
        if len(fresh) < len(left):
            self.budget.check(1)
        return samples + fresh

    def flush(self) -> None:
        """Store what is in memory only, and say so in the journal. Raises StorageError."""
        self._store.flush()

    def take_failures(self) -> Counter[str]:
        """Reason → count of what failed as it was asked, since this was called last.

        When nothing may be asked, what is stored stands for it.
        """
        return self._store.take_failures()

    @property
    def has_lost(self) -> bool:
        """Whether a stored result is gone that may not be asked again."""
        return self._store.has_lost

    def _stored_parts(self, unit: Unit, key: str) -> Generator[tuple[Observation, ...], None, Unit]:
        """What is on record of a unit; returns what is left of it."""
        while unit.query_ids:
            stored = self._store.stored(key, about_unit(unit), Observation)
            if stored is None:
                break
            if (error := self._store.error) is not None:
                stored = failed_observations(UnitResult(unit, (), 0.0, error))
            unit = rest_of(unit, stored)
            yield stored
        return unit

    def _check_may_ask(self, key: str) -> None:
        if self.asks == "anything" or (self.asks == "tried" and key in self.past.unfinished):
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
        if result.error is None:
            about = about_unit(result.unit)
            self._store.keep(key, about, result.observations, result.seconds, tab=result.unit)
            return result.observations
        if result.error["type"] == BudgetExhausted.code:
            self._limit = result.error
            self._store.keep_part(key, result)
            return ()
        if result.error["type"] == "timeout":
            self.recorder.record(EventType.RUNNER_TIMEOUT, {"error": dict(result.error)})
        observations = failed_observations(result)
        self._store.keep_failure(key, result, observations)
        return observations


def _at(limit: Mapping[str, Any]) -> BudgetExhausted:
    return BudgetExhausted(limit["msg"], hint=limit["hint"], details=limit["details"])


def _quarantine(key: str) -> Payload:
    told = f"the process died {DEADLY} times while unit {key[:12]} was being asked"
    hint = "Look at the target's and the system's logs; the unit counts as failed."
    return {"type": QUARANTINED, "msg": told, "hint": hint, "details": {"unit": key}}
