"""Where a unit's result comes from: the record of an earlier sitting, else the target.

What comes back is stored before the journal says that it is done. Units that were quick are stored
together, so that a run of many costs few syncs and a kill loses at most `AT_RISK_S` of finished work.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from orchestra_core.artifacts import Home, write_atomic
from orchestra_core.errors import RunCancelled, StorageError
from orchestra_core.journal.events import Event, EventType
from orchestra_core.journal.past import Past
from orchestra_core.journal.recorder import Recorder
from orchestra_core.journal.units import QUARANTINED, sent
from orchestra_core.observation import Failure, LatencySample, Observation, Query, Unit, UnitResult
from orchestra_core.payloads import Executor
from orchestra_core.plan import Configuration, Plan
from orchestra_core.runner import Load
from orchestra_core.scheduling.budget import Budget
from orchestra_core.scheduling.keys import UnitKeys
from orchestra_core.scheduling.results import Item, ResultFolder, Seen, encode
from orchestra_core.scheduling.units import count_failures, failed_observations, failed_samples

AT_RISK_S = 0.25
"""Seconds of finished work that may be in memory only."""
DEADLY = 3
"""A unit during which the process died so often is not asked again."""

Payload = dict[str, Any]
Ask = Callable[[Unit], UnitResult]


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

    def evaluate(self, units: Sequence[Unit]) -> Iterator[tuple[Observation, ...]]:
        """Each unit's observations, what is stored first; call `flush` when all were taken."""
        keyed = {u: self.keys.evaluate(self.plan.select(u.config_ids), u.query_ids) for u in units}
        fresh = []
        for unit, key in keyed.items():
            stored = self._stored(key, _about(unit), Observation)
            if stored is not None:
                yield stored or self._stored_failure(unit)
            elif self.past.deaths[key] >= DEADLY:
                yield self._take(_failed_as(unit, {"error": _quarantine(key)}), key)
            else:
                self._check_may_ask(key)
                fresh.append(unit)
        # One that may have killed the process is asked alone, and kept, so that no other is blamed.
        suspects = [unit for unit in fresh if self.past.deaths[keyed[unit]]]
        suspects.sort(key=lambda unit: self.past.deaths[keyed[unit]])
        others = [unit for unit in fresh if not self.past.deaths[keyed[unit]]]
        for group in filter(None, [*([unit] for unit in suspects), others]):
            for result in self.executor.run(group, lambda unit: self._asked(unit, keyed[unit])):
                yield self._take(result, keyed[result.unit])
            if suspects:
                self.flush()

    def probe(
        self,
        place: tuple[str, int],
        configuration: Configuration,
        queries: Sequence[Query],
        load: Load,
        ask: Callable[[], list[LatencySample]],
    ) -> list[LatencySample]:
        """The samples of a probe in stage and rung `place`; `ask` takes them when none are stored."""
        key = self.keys.probe(configuration, [query.query_id for query in queries], load)
        about = _about_probe(place, len(queries), load)
        stored = self._stored(key, about, LatencySample)
        if stored is not None:
            return list(stored)
        began = time.perf_counter()
        if self.past.deaths[key] >= DEADLY:
            failure = Failure(QUARANTINED, _quarantine(key)["msg"])
            samples = failed_samples(configuration, queries, failure)
        else:
            self._check_may_ask(key)
            self._begin(key)
            samples = ask()
        self._keep(key, about, samples, time.perf_counter() - began)
        return samples

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

    def _stored(self, key: str, about: Payload, kind: type[Seen]) -> tuple[Seen, ...] | None:
        """What is on record of a unit, here or in an earlier run; empty for one that failed."""
        while (event := self.past.take_unit(key)) is not None:
            self.recorder.restore(event)
            self._spend(event.payload)
            try:
                items = _read(event, self._results, kind)
            except StorageError as error:
                self._lose(event, error)
                continue
            self._last = event
            return items
        event = self.earlier.past.take_unit(key) if self.earlier else None
        if self.earlier is None or event is None or event.event_type != EventType.UNIT_DONE:
            return None
        try:
            items = _read(event, self.earlier.results, kind)
        except StorageError:
            return None  # it does not hold here
        self._keep(key, {**about, "reused_from": self.earlier.run_id}, items, 0.0)
        return items

    def _lose(self, event: Event, error: StorageError) -> None:
        """Say that a result is gone, so that its unit is asked again."""
        if self.asks == "nothing":
            raise error
        told = dict(event.payload)
        told["sent"] = sent(told)
        kept = ("stage", "rung", "kind", "requests", "sent", "cost_usd", "failures", "unit", "result")
        payload = {**{name: told[name] for name in kept}, "error": error.as_payload()}
        self.recorder.record(EventType.UNIT_LOST, payload)
        self.past.lose_unit(event)

    def _stored_failure(self, unit: Unit) -> tuple[Observation, ...]:
        payload = self._last.payload if self._last else {}
        return failed_observations(_failed_as(unit, payload))

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
        self._begin(key)
        return self.ask(unit)

    def _begin(self, key: str) -> None:
        self.recorder.record(EventType.UNIT_STARTED, {"unit": key})

    def _take(self, result: UnitResult, key: str) -> tuple[Observation, ...]:
        about = _about(result.unit)
        if result.error is None:
            self._keep(key, about, result.observations, result.seconds)
            return result.observations
        observations = failed_observations(result)
        error = dict(result.error)
        if error["type"] == "timeout":
            self.recorder.record(EventType.RUNNER_TIMEOUT, {"error": error})
        figures = _figures(key, observations, result.seconds)
        self.recorder.record(EventType.UNIT_FAILED, {**about, **figures, "error": error})
        self._spend({**about, **figures})
        return observations

    def _keep(self, key: str, about: Payload, items: Sequence[Item], seconds: float) -> None:
        payload = {**about, **_figures(key, items, seconds)}
        self._waiting.append((payload, items))
        self._at_risk_s += seconds
        self._spend(payload)
        if self._at_risk_s >= AT_RISK_S:
            self.flush()

    def _spend(self, payload: Mapping[str, Any]) -> None:
        if "reused_from" not in payload:
            self.budget.spend(payload["requests"] + payload["repetitions"], payload["cost_usd"])


def _read(event: Event, results: ResultFolder, kind: type[Seen]) -> tuple[Seen, ...]:
    if event.event_type == EventType.UNIT_FAILED:
        return ()
    return results.read(event.payload["result"], event.payload["unit"], kind)


def _about(unit: Unit) -> Payload:
    return {
        "stage": unit.stage,
        "rung": unit.rung,
        "kind": "evaluate",
        "configurations": len(unit.config_ids),
        "queries": len(unit.query_ids),
        "requests": unit.size,
    }


def _about_probe(place: tuple[str, int], queries: int, load: Load) -> Payload:
    return {
        "stage": place[0],
        "rung": place[1],
        "kind": "probe",
        "configurations": 1,
        "queries": queries,
        "requests": queries + load.warmup,
    }


def _figures(key: str, items: Sequence[Item], seconds: float) -> Payload:
    return {
        "repetitions": sum(max(0, item.attempts - 1) for item in items),
        "cost_usd": float(sum(item.cost for item in items if item.cost is not None)),
        "failures": count_failures(items),
        "seconds": round(seconds, 6),
        "unit": key,
    }


def _failed_as(unit: Unit, payload: Mapping[str, Any]) -> UnitResult:
    return UnitResult(unit, (), 0.0, payload["error"])


def _quarantine(key: str) -> Payload:
    told = f"the process died {DEADLY} times while unit {key[:12]} was being asked"
    hint = "Look at the target's and the system's logs; the unit counts as failed."
    return {"type": QUARANTINED, "msg": told, "hint": hint, "details": {"unit": key}}
