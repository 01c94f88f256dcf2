"""What a unit's end says: what it cost, whether it failed in part, and whether that still stands."""

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
    """A unit of which a request failed; its error stands in the journal."""

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
    """Whether a request of a unit failed, and it may be asked again: unless it ended its process."""
    return "unit" in payload and may_be_asked_again(payload["failures"])


def may_be_asked_again(failures: Mapping[str, int]) -> bool:
    """Whether a unit with these failures is asked again when its run goes on."""
    return bool(failures) and QUARANTINED not in failures


def stands(event: Event, step: Step) -> bool:
    """Whether an event is still true once a step's failed units are asked again."""
    payload = event.payload
    if event.event_type == EventType.REFLECTION_DECISION:
        return (payload["stage"], payload["rung"]) != step
    if event.event_type in {EventType.JOB_DONE, EventType.JOB_FAILED}:
        return bool(payload["stage"] != step[0])
    if event.event_type == EventType.GRID_RUNG_DONE:
        return ("grid", payload["rung"]) != step
    return event.event_type != EventType.VERDICT or step[0] != "ab"
