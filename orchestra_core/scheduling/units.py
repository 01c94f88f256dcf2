"""Cut work into units, and check what a runner gives back for one."""

from __future__ import annotations

import math
import time
import traceback
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestra_core.errors import BudgetExhausted, OrchestraError, TargetError, describe_error
from orchestra_core.observation import (
    Failure,
    LatencySample,
    Observation,
    Query,
    Unit,
    UnitResult,
)
from orchestra_core.plan import Configuration, Plan
from orchestra_core.runner import Load, Runner
from orchestra_core.scheduling.attended import Attended
from orchestra_core.scheduling.budget import Budget, Tab, not_sent
from orchestra_core.scheduling.limits import too_late
from orchestra_core.scheduling.load import UNFINISHED

SMALLEST_SLICE = 8
UNSENT = frozenset({"budget", "deadline", "closed"})
"""Reasons of requests that the run's own limits kept back: no answer, and not the target's doing."""
SLICE_WITHOUT_SHARING = 25


def cut(
    stage: str,
    rung: int,
    config_ids: Sequence[str],
    query_ids: Sequence[str],
    *,
    shares_work: bool,
    concurrency: int,
) -> list[Unit]:
    """Units that cover configurations × queries exactly once.

    A runner that shares work gets all configurations in each unit, and slices of the queries; any
    other gets one configuration per unit, so that a slow one holds up no neighbour.
    """
    if shares_work:
        slices = max(1, min(concurrency, len(query_ids) // SMALLEST_SLICE))
        size = -(-len(query_ids) // slices)
        groups: list[tuple[str, ...]] = [tuple(config_ids)]
    else:
        size = SLICE_WITHOUT_SHARING
        groups = [(config_id,) for config_id in config_ids]
    blocks = [tuple(query_ids[i : i + size]) for i in range(0, len(query_ids), size)]
    return [Unit(stage, rung, group, block) for group in groups for block in blocks]


def evaluator(
    runner: Runner, plan: Plan, queries: Mapping[str, Query], budget: Budget | None = None
) -> Callable[[Unit], UnitResult]:
    """The function that executors call: ask the runner for one unit; never raises.

    Once the budget is spent, a unit's result has the error `budget`, and what was seen until then.
    """
    budget = budget or Budget(plan.experiment.limits)

    def evaluate(unit: Unit) -> UnitResult:
        began, tab = time.perf_counter(), budget.tab(unit)
        configurations = plan.select(unit.config_ids)
        asked = [queries[query_id] for query_id in unit.query_ids]
        found: list[Observation] = []
        error: dict[str, Any] | None = None
        try:
            found += _expected(unit, _metered(unit, runner.evaluate(configurations, asked), tab))
            found += _missing(unit, found)
        except BudgetExhausted as limit:
            error = limit.as_payload()
        except (Exception, SystemExit) as failure:  # a runner that exits is a runner that failed
            found, error = [], _unit_error(failure, configurations)
        return UnitResult(unit, tuple(found), time.perf_counter() - began, error)

    return evaluate


def checked(unit: Unit, observations: Iterable[Observation]) -> tuple[Observation, ...]:
    """The observations of a unit, one per pair asked. Raises TargetError for a foreign or double one.

    A pair without an observation becomes a failure, as does a ranking with a repeated document.
    """
    found = list(_expected(unit, observations))
    return (*found, *_missing(unit, found))


def _metered(unit: Unit, observations: Iterable[Observation], tab: Tab) -> Iterator[Observation]:
    """The observations as they come, the budget asked before each. Raises BudgetExhausted.

    They end where the tab is closed: the unit was given up, and nobody waits for them any more.
    """
    taken = iter(observations)
    try:
        for _ in range(unit.size):
            tab.budget.check(1)
            one = None if tab.closed else next(taken, None)
            if one is None:
                return
            if one.failure is not None and one.failure.reason in UNSENT:
                raise not_sent(one.failure)
            tab.add(max(1, one.attempts), one.cost or 0.0)
            yield one
        yield from taken  # one too many
    finally:
        close = getattr(taken, "close", None)
        if close is not None:
            close()


def _expected(unit: Unit, observations: Iterable[Observation]) -> Iterator[Observation]:
    """Those of the pairs asked, each once. Raises TargetError for any other."""
    wanted = {(c, q) for c in unit.config_ids for q in unit.query_ids}
    seen: set[tuple[str, str]] = set()
    for observation in observations:
        pair = (observation.config_id, observation.query_id)
        if pair not in wanted or pair in seen:
            problem = "twice" if pair in seen else "unasked"
            raise TargetError(
                f"the runner answered {problem} for configuration '{pair[0]}', query '{pair[1]}'",
                hint="`evaluate` must give exactly one observation per pair it was asked for.",
            )
        seen.add(pair)
        yield _sound(observation)


def failed_observations(result: UnitResult) -> tuple[Observation, ...]:
    """A failure for every pair of a unit that failed as a whole."""
    error = result.error or {}
    failure = Failure(str(error.get("type", "error")), str(error.get("msg", "")))
    return tuple(
        Observation(c, q, failure=failure)
        for c in result.unit.config_ids
        for q in result.unit.query_ids
    )


def probed(
    runner: Runner,
    configuration: Configuration,
    queries: Sequence[Query],
    load: Load,
    timeout_s: float,
    tab: Tab | None = None,
) -> list[LatencySample]:
    """The samples of a probe, one per query in their order.

    A runner that raises gives a failed sample for every query; one that leaves queries out gives one
    for each of them. One that is not done within `timeout_s` is stopped: what came until then stands,
    and the rest failed, `timeout`. Once the budget of `tab` is spent nothing more is sent, and what was
    not answered has no sample.
    """
    samples: list[LatencySample] = []
    gap = Failure("no_sample", "the probe gave no sample for this query")
    try:
        probe = Attended(lambda: runner.probe(configuration, queries, load), timeout_s, tab=tab)
        try:
            while (sample := probe.take()) is not None:
                samples.append(sample)
        finally:
            probe.stop(0.0)
    except (Exception, SystemExit) as error:
        return failed_samples(configuration, queries, _failure(error))
    if probe.late:
        gap = _failure(too_late(timeout_s))
    found = {s.query_id: s for s in samples if s.config_id == configuration.config_id}
    answered = {name: sample for name, sample in found.items() if _was_answered(sample)}
    if tab is not None and len(answered) < len(queries) and tab.is_spent:
        return [_sound_sample(answered[q.query_id]) for q in queries if q.query_id in answered]
    missing = failed_samples(configuration, queries, gap)
    return [_sound_sample(_finished(found.get(one.query_id), one)) for one in missing]


def failed_samples(
    configuration: Configuration, queries: Sequence[Query], failure: Failure
) -> list[LatencySample]:
    """One failed sample per query."""
    return [LatencySample(configuration.config_id, q.query_id, 0.0, failure=failure) for q in queries]


def count_failures(items: Iterable[Observation | LatencySample]) -> dict[str, int]:
    """Reason → count."""
    return dict(Counter(item.failure.reason for item in items if item.failure is not None))


def _sound(observation: Observation) -> Observation:
    failure = observation.failure
    if not all(map(is_document_id, observation.ranking)):
        failure = Failure(
            "malformed_id", "the ranking holds a document id that is no text, is empty or has spaces"
        )
    elif len(set(observation.ranking)) != len(observation.ranking):
        failure = Failure("repeated_document", "the ranking holds one document more than once")
    elif not all(map(_is_figure, (observation.latency_ms, observation.cost))) or not all(
        map(_is_number, (*observation.reported.values(), *observation.claimed.values()))
    ):
        failure = _MALFORMED
    if failure is observation.failure:
        return observation
    return Observation(
        observation.config_id,
        observation.query_id,
        cost=_sound_cost(observation.cost),
        attempts=observation.attempts,
        failure=failure,
    )


def is_document_id(value: object) -> bool:
    """Text of at least one character, without white space or control characters."""
    if not isinstance(value, str) or not value:
        return False
    if value.isprintable() and " " not in value:
        return True
    return not any(c.isspace() or unicodedata.category(c) == "Cc" for c in value)


def _was_answered(sample: LatencySample) -> bool:
    return sample.failure is None or sample.failure.reason not in UNSENT | {UNFINISHED}


def _finished(sample: LatencySample | None, missing: LatencySample) -> LatencySample:
    if sample is None or (sample.failure is not None and sample.failure.reason == UNFINISHED):
        return missing
    return sample


def _failure(error: BaseException) -> Failure:
    described = describe_error(error)
    return Failure(described["type"], described["msg"], described["hint"])


def _sound_sample(sample: LatencySample) -> LatencySample:
    figures = (sample.latency_ms, sample.scheduled_s, sample.sent_s)
    if all(map(_is_number, figures)) and _is_figure(sample.cost):
        return sample
    cost = _sound_cost(sample.cost)
    return LatencySample(sample.config_id, sample.query_id, 0.0, cost=cost, failure=_MALFORMED)


def _sound_cost(cost: float | None) -> float | None:
    """What a request cost is spent, whatever else is wrong with its answer."""
    return cost if _is_figure(cost) else None


def _is_figure(value: object) -> bool:
    return value is None or _is_number(value)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and math.isfinite(value) and value >= 0


_MALFORMED = Failure("malformed_figure", "a latency or cost is negative or not a number")


def _missing(unit: Unit, found: Sequence[Observation]) -> list[Observation]:
    """A failure for every pair that the runner left out."""
    failure = Failure("no_observation", "the runner gave no observation for this query")
    there = {(one.config_id, one.query_id) for one in found}
    wanted = {(c, q) for c in unit.config_ids for q in unit.query_ids}
    return [Observation(c, q, failure=failure) for c, q in sorted(wanted - there)]


def _place_of(error: BaseException) -> str:
    """Where an exception came from: `at line 12 of runner.py, in evaluate`."""
    frames = traceback.extract_tb(error.__traceback__)
    if not frames:
        return "somewhere"
    last = frames[-1]
    return f"at line {last.lineno} of {Path(last.filename).name}, in {last.name}"


def _unit_error(error: BaseException, configurations: Sequence[Configuration]) -> dict[str, Any]:
    described = describe_error(error)
    if not isinstance(error, OrchestraError):
        described["hint"] = f"The runner raised {_place_of(error)}; tell the plugin's authors."
    described["details"] = {
        **described["details"],
        "configurations": [c.config_id for c in configurations[:5]],
    }
    return described
