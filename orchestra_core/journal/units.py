"""What a unit's end says: what it cost, whether it failed as a whole, and whether that still stands."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from orchestra_core.journal.events import Event, EventType

Payload = Mapping[str, Any]
Step = tuple[str, int]
"""Stage and rung."""
LOST = "stored results were lost or damaged; what they held was asked again"
QUARANTINED = "quarantined"
"""Why a unit failed that was not asked, because the process died of it."""


class FailedUnit(NamedTuple):
    """A unit that gave no answer at all; its error stands in the journal."""

    seq: int
    """Of the event that says so."""
    unit: str
    kind: str
    requests: int
    sent: int
    """Requests with their repetitions."""
    cost_usd: float
    failures: Mapping[str, int]


def failed_unit(event: Event) -> FailedUnit:
    """The unit that failed, by the event that says so."""
    payload = event.payload
    return FailedUnit(
        event.seq,
        payload["unit"],
        payload["kind"],
        payload["requests"],
        sent(payload),
        paid(payload),
        payload["failures"],
    )


def sent(payload: Payload) -> int:
    """Requests that were sent for a unit, with repetitions."""
    if "reused_from" in payload:
        return 0
    return int(payload["requests"] + payload.get("repetitions", 0))


def paid(payload: Payload) -> float:
    """What a unit cost, in USD."""
    return 0.0 if "reused_from" in payload else float(payload.get("cost_usd") or 0.0)


def has_failed(payload: Payload) -> bool:
    """Whether a unit gave no answer at all, and may be asked again."""
    failures = payload["failures"]
    return sum(failures.values()) >= evaluations(payload) and may_be_asked_again(payload)


def may_be_asked_again(payload: Payload) -> bool:
    """Whether a unit that failed may: not one that ended its process again and again."""
    return "unit" in payload and QUARANTINED not in payload["failures"]


def evaluations(payload: Payload) -> int:
    """How many (configuration, query) pairs a unit's event stands for; if all failed, it has failed."""
    return int(payload["configurations"] * payload["queries"])


def stands(event: Event, step: Step) -> bool:
    """Whether an event is still true once a step's failed units are asked again."""
    payload = event.payload
    if event.event_type == EventType.REFLECTION_DECISION:
        return (payload["stage"], payload["rung"]) != step
    if event.event_type == EventType.GRID_RUNG_DONE:
        return ("grid", payload["rung"]) != step
    return event.event_type != EventType.VERDICT or step[0] != "ab"
