"""Requests made plain before anything sees them: HEAD is GET without the body, Range is not known."""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Plain:
    """ASGI, outermost. So every address that takes GET takes HEAD, and every answer is whole."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand on, as GET what is HEAD."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        scope = {**scope, "headers": [pair for pair in scope["headers"] if pair[0] not in _RANGES]}
        if scope["method"] != "HEAD":
            await self.app(scope, receive, send)
            return
        began = asyncio.Event()

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                await send(message)
                await send({"type": "http.response.body", "body": b"", "more_body": False})
                began.set()

        async def receiving() -> Message:
            await began.wait()  # a stream ends: nobody is there to read it
            return {"type": "http.disconnect"}

        await self.app({**scope, "method": "GET"}, receiving, sending)


_RANGES = frozenset({b"range", b"if-range"})
