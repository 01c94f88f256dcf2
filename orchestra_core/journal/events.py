"""The journal's vocabulary: event types, and one line per event.

A line is `{"v":1,"seq":n,"run_id":…,"event_type":…,"payload":{…},"created_at":"…Z","crc":"…"}`.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, NamedTuple

FORMAT = 1
_HEAD = re.compile(r'\{"v":\d+,"seq":(\d+),"run_id":"([^"\\]*)","event_type":"(\w+)","payload":')
_END = re.compile(r',"created_at":"([^"\\]*)"\}\Z')
_DECODER = json.JSONDecoder()


class EventType(StrEnum):
    """Everything that can happen in a run."""

    __hash__ = str.__hash__  # as equality is the text's; Enum's own is slow, and folds look up by type

    RUN_STARTED = "RUN_STARTED"
    RUN_RESUMED = "RUN_RESUMED"
    RUN_COMPLETED = "RUN_COMPLETED"
    RUN_FAILED = "RUN_FAILED"
    RUN_CANCELLED = "RUN_CANCELLED"
    SMOKE_STARTED = "SMOKE_STARTED"
    SMOKE_DONE = "SMOKE_DONE"
    SMOKE_FAILED = "SMOKE_FAILED"
    GRID_STARTED = "GRID_STARTED"
    GRID_DONE = "GRID_DONE"
    GRID_FAILED = "GRID_FAILED"
    AB_STARTED = "AB_STARTED"
    AB_DONE = "AB_DONE"
    AB_FAILED = "AB_FAILED"
    SELECT_STARTED = "SELECT_STARTED"
    SELECT_DONE = "SELECT_DONE"
    SELECT_FAILED = "SELECT_FAILED"
    PUBLISH_STARTED = "PUBLISH_STARTED"
    PUBLISH_DONE = "PUBLISH_DONE"
    PUBLISH_FAILED = "PUBLISH_FAILED"
    GRID_RUNG_STARTED = "GRID_RUNG_STARTED"
    GRID_RUNG_DONE = "GRID_RUNG_DONE"
    JOB_DONE = "JOB_DONE"
    JOB_FAILED = "JOB_FAILED"
    UNIT_STARTED = "UNIT_STARTED"
    UNIT_DONE = "UNIT_DONE"
    UNIT_FAILED = "UNIT_FAILED"
    UNIT_LOST = "UNIT_LOST"
    HEALTH_OK = "HEALTH_OK"
    HEALTH_FAIL = "HEALTH_FAIL"
    ALIAS_APPLIED = "ALIAS_APPLIED"
    RUNNER_TIMEOUT = "RUNNER_TIMEOUT"
    RETRY = "RETRY"
    REFLECTION_DECISION = "REFLECTION_DECISION"
    GUARD_RULING = "GUARD_RULING"
    VERDICT = "VERDICT"
    POLICY_INTENT = "POLICY_INTENT"
    POLICY_APPLIED = "POLICY_APPLIED"
    POLICY_ROLLED_BACK = "POLICY_ROLLED_BACK"
    ARTIFACT_WRITTEN = "ARTIFACT_WRITTEN"
    PLUGIN_ERROR = "PLUGIN_ERROR"
    DRY_RUN_PLAN = "DRY_RUN_PLAN"


_TYPES: Mapping[str, EventType] = {event_type.value: event_type for event_type in EventType}
RUNNER_EVENTS = frozenset({EventType.RETRY, EventType.ALIAS_APPLIED, EventType.RUNNER_TIMEOUT})
"""What a runner may record by itself."""


class Event(NamedTuple):
    """One line of the journal."""

    seq: int
    """From 1, without gaps, in one run."""
    run_id: str
    event_type: EventType
    payload: Mapping[str, Any]
    created_at: str
    """ISO 8601 with milliseconds, UTC, ending in Z."""

    def to_line(self) -> bytes:
        """The event as a line with its CRC and newline. Raises ValueError for NaN or infinity."""
        body = _body(self)
        return body[:-1] + b',"crc":"%08x"}\n' % zlib.crc32(body)


def now() -> str:
    """The current time in the journal's form."""
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def is_whole(line: bytes) -> bool:
    """Whether a line (without newline) has the checksum of its content."""
    return (
        line[-18:-10] == b',"crc":"'
        and line[-2:] == b'"}'
        and line[-10:-2] == b"%08x" % zlib.crc32(b"}", zlib.crc32(line[:-18]))
    )


def parse_line(line: bytes) -> Event | None:
    """The event of a line (without newline), or None when it is torn, altered or foreign.

    An event of a later version is whole too: its type is none of `EventType`'s own members.
    """
    if not is_whole(line):
        return None
    try:
        text = (line[:-18] + b"}").decode("utf-8", "surrogatepass")
        return _quickly(text) or _parsed(json.loads(text))
    except (ValueError, KeyError, TypeError):
        return None


def _quickly(text: str) -> Event | None:
    """The event of a line that is laid out as `_body` does; None for any other."""
    head = _HEAD.match(text)
    if head is None:
        return None
    number, run_id, name = head.groups()
    payload, position = _DECODER.raw_decode(text, head.end())
    end = _END.match(text, position)
    return end and Event(int(number), run_id, _event_type(name), payload, end[1])


def _parsed(raw: Mapping[str, Any]) -> Event:
    event_type = _event_type(raw["event_type"])
    return Event(raw["seq"], raw["run_id"], event_type, raw["payload"], raw["created_at"])


def _event_type(name: object) -> EventType:
    """The type of that name; for one of a later version a member that no handler is listed for."""
    if not isinstance(name, str):
        raise TypeError("an event type is text")
    if known := _TYPES.get(name):
        return known
    stranger = str.__new__(EventType, name)
    stranger._name_ = stranger._value_ = name
    return stranger


def _body(event: Event) -> bytes:
    content = {
        "v": FORMAT,
        "seq": event.seq,
        "run_id": event.run_id,
        "event_type": event.event_type.value,
        "payload": event.payload,
        "created_at": event.created_at,
    }
    text = json.dumps(content, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return text.encode("utf-8", "surrogatepass")
