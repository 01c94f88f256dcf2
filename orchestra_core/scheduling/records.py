"""What is written down of a unit's end: what it was, what came back, and what it took."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from orchestra_core.observation import Observation, Unit, charged
from orchestra_core.runner import Load
from orchestra_core.scheduling.results import Item
from orchestra_core.scheduling.units import count_failures

Payload = dict[str, Any]
SIZE = ("configurations", "queries", "requests")
"""What an event says of how much of a unit it is."""


def rest_of(unit: Unit, stored: Sequence[Observation]) -> Unit:
    """The queries of a unit of which nothing is stored."""
    there = {observation.query_id for observation in stored}
    return replace(unit, query_ids=tuple(q for q in unit.query_ids if q not in there))


def answered(unit: Unit, found: Sequence[Observation]) -> tuple[Unit, list[Observation]]:
    """The part of a unit that is complete: every configuration of each of its queries."""
    times = Counter(observation.query_id for observation in found)
    whole = tuple(q for q in unit.query_ids if times[q] == len(unit.config_ids))
    return replace(unit, query_ids=whole), [one for one in found if one.query_id in set(whole)]


def about_unit(unit: Unit) -> Payload:
    """Of an evaluation."""
    return {
        "stage": unit.stage,
        "rung": unit.rung,
        "kind": "evaluate",
        "configurations": len(unit.config_ids),
        "queries": len(unit.query_ids),
        "requests": unit.size,
    }


def about_probe(place: tuple[str, int], queries: int, load: Load) -> Payload:
    """Of a probe in stage and rung `place`."""
    return {
        "stage": place[0],
        "rung": place[1],
        "kind": "probe",
        "configurations": 1,
        "queries": queries,
        "requests": queries + load.warmup,
    }


def figures_of(key: str, items: Sequence[Item], seconds: float) -> Payload:
    """What came back, and what it took."""
    return {
        "repetitions": sum(max(0, item.attempts - 1) for item in items),
        "cost_usd": sum(map(charged, items), 0.0),
        "failures": count_failures(items),
        "seconds": round(seconds, 6),
        "unit": key,
    }
