"""Events as lines for people; the terminal's display and the service tell a run in the same words."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from orchestra_core.journal.events import Event, EventType

if TYPE_CHECKING:
    from orchestra_core.journal.state import RunState

UNTOLD = frozenset(
    {
        EventType.UNIT_STARTED,
        EventType.UNIT_DONE,
        EventType.JOB_DONE,
        EventType.ARTIFACT_WRITTEN,
        EventType.RETRY,
        EventType.ALIAS_APPLIED,
    }
)
"""So many of them that they would hide the others."""


def describe(event: Event, state: RunState) -> str:
    """The event as a line for people; empty for events that only matter to the record."""
    writer = WRITERS.get(event.event_type)
    try:
        return writer(event.payload, state) if writer else ""
    except (KeyError, TypeError):  # another version wrote it
        return ""


def _started(payload: Any, state: RunState) -> str:
    plan = payload["plan"]
    return (
        f"run {state.run_id}: {len(plan['configurations'])} configurations on {plan['dataset']}, "
        f"runner {payload['runner']} ({payload['backend']})"
    )


def _decision(payload: Any, _state: RunState) -> str:
    return f"{payload['stage']} · {payload['kind']} ({payload['rule']}): {payload['reason']}"


def _ruling(payload: Any, _state: RunState) -> str:
    if payload["kind"] == "allow":
        return ""
    return f"guard · {payload['kind']} ({payload['rule']}): {payload['reason']}"


def _error(payload: Any, _state: RunState) -> str:
    return f"problem: {payload['error']['msg']}"


def _rung(payload: Any, _state: RunState) -> str:
    return (
        f"grid · rung {payload['rung'] + 1}: {payload['entered']} configurations x "
        f"{payload['queries']} queries"
    )


WRITERS: dict[EventType, Callable[[Any, RunState], str]] = {
    EventType.RUN_STARTED: _started,
    EventType.RUN_RESUMED: lambda _p, s: f"run {s.run_id}: resumed",
    EventType.SMOKE_STARTED: lambda p, _s: f"smoke · {p['evaluations']} evaluations",
    EventType.GRID_RUNG_STARTED: _rung,
    EventType.REFLECTION_DECISION: _decision,
    EventType.GUARD_RULING: _ruling,
    EventType.HEALTH_FAIL: _error,
    EventType.UNIT_FAILED: _error,
    EventType.UNIT_LOST: _error,
    EventType.PLUGIN_ERROR: _error,
    EventType.AB_STARTED: lambda p, _s: f"ab · {p['challenger']} against {p['baseline']}",
    EventType.VERDICT: lambda p, _s: f"ab · {p['kind']}: {p['reason']}",
    EventType.PUBLISH_DONE: lambda p, _s: (
        "published" if p["published"] else f"not published: {p['reason']}"
    ),
}
