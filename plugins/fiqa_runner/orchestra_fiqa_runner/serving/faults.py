"""Switches to misbehave: a share of the answers of `/api/query` is late, wrong, cut off or missing.

Every request has at most one fault, so the shares hold exactly; a seed makes their order repeat.
"""

from __future__ import annotations

import asyncio
import json
import math
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from random import Random
from typing import Any

from orchestra_core.errors import UsageError, nearest

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Message, Receive, Send], Awaitable[None]]

PATH = "/api/query"
BURST = 5
"""Requests that a rush of 429 answers lasts, the first one included."""
SECONDS = {"slow": 0.5, "stall": 300.0, "status429": 1.0}
"""Fault → its seconds, unless told: the delay, the silence, and `Retry-After`."""
KINDS = ("slow", "error", "stall", "garbage", "truncate", "status429")
_JSON = (b"content-type", b"application/json")


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to misbehave."""

    kind: str
    share: float
    """Of the requests, 0..1; for `status429` the share that begins a burst."""
    seconds: float = 0.0


def parse_faults(text: str) -> tuple[Fault, ...]:
    """`slow=0.1:0.5,error=0.05` as faults; empty text means none. Raises UsageError."""
    faults = tuple(_parse_one(part.strip()) for part in text.split(",") if part.strip())
    kinds = [fault.kind for fault in faults]
    if repeated := [kind for kind in kinds if kinds.count(kind) > 1]:
        raise _wrong(f"the fault '{repeated[0]}' stands twice")
    if math.fsum(fault.share for fault in faults) > 1 + 1e-9:
        raise _wrong("the shares of all faults together are more than 1")
    return faults


def _parse_one(part: str) -> Fault:
    kind, equals, value = part.partition("=")
    if kind not in KINDS:
        raise _wrong(f"there is no fault '{kind}'", nearest(kind, KINDS))
    share, colon, seconds = value.partition(":")
    if colon and kind not in SECONDS:
        raise _wrong(f"the fault '{kind}' takes no seconds")
    if not equals:
        raise _wrong(f"the fault '{kind}' needs a share")
    told = _number(seconds, 3600.0, kind) if colon else SECONDS.get(kind, 0.0)
    return Fault(kind, _number(share, 1.0, kind), told)


def _number(text: str, most: float, kind: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= most:  # also false for NaN
        raise _wrong(f"'{text}' is no number from 0 to {most:g} for the fault '{kind}'")
    return value


def _wrong(message: str, hint: str = "") -> UsageError:
    told = "Such as slow=0.1,error=0.05: shares of the requests; slow, stall and status429 also take "
    return UsageError(message, where="--fault", hint=f"{hint} {told}seconds, as in slow=0.1:2.".strip())


class FaultMiddleware:
    """ASGI middleware that plays the faults; all paths but `/api/query` stay honest."""

    def __init__(self, app: App, faults: tuple[Fault, ...], seed: int) -> None:
        self._app = app
        self._faults = faults
        self._random = Random(seed)  # noqa: S311 - no secret hangs on it
        self._burst: list[Fault] = []

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one request, honestly or not."""
        fault = self._draw() if scope.get("path") == PATH else None
        if fault is None:
            await self._app(scope, receive, send)
        elif fault.kind == "slow":
            await asyncio.sleep(fault.seconds)
            await self._app(scope, receive, send)
        elif fault.kind == "stall":
            await _silence(receive, fault.seconds)
        elif fault.kind == "truncate":
            await self._app(scope, receive, _Cut(send))
        else:
            await _reply(send, fault)

    def _draw(self) -> Fault | None:
        if self._burst:
            return self._burst.pop()
        drawn = self._random.random()
        for fault in self._faults:
            drawn -= fault.share
            if drawn < 0:
                self._burst = [fault] * (BURST - 1) if fault.kind == "status429" else []
                return fault
        return None


class _Cut:
    """Sends the head and the first half of the body, then nothing: the connection breaks off."""

    def __init__(self, send: Send) -> None:
        self._send = send

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.body":
            half = message["body"][: len(message["body"]) // 2]
            message = {"type": "http.response.body", "body": half, "more_body": True}
        await self._send(message)


async def _silence(receive: Receive, seconds: float) -> None:
    """No answer until the client has left or the time is over; then the connection is closed."""

    async def until_left() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass

    try:
        await asyncio.wait_for(until_left(), seconds)
    except TimeoutError:
        return


async def _reply(send: Send, fault: Fault) -> None:
    status, headers, body = 200, [_JSON], b'{"items": [{"doc_id": d00<\x00\xff\xfe'
    if fault.kind == "error":
        status, body = 500, _error("internal", "this error was asked for with --fault")
    elif fault.kind == "status429":
        status, body = 429, _error("too_many_requests", "this refusal was asked for with --fault")
        headers = [_JSON, (b"retry-after", b"%d" % math.ceil(fault.seconds))]
    headers = [*headers, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _error(kind: str, message: str) -> bytes:
    return json.dumps({"error": {"type": kind, "msg": message, "hint": ""}}).encode()
