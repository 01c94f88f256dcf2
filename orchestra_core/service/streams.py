"""Server-sent events of a run: one tailer per watched run, however many watch it.

A watcher is a place in the journal, not a queue: one that reads slowly delays nobody and holds nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

from sse_starlette.sse import EventSourceResponse

from orchestra_core.service.errors import Busy
from orchestra_core.service.following import Follower, Followers
from orchestra_core.service.standing import Standing

POLL_SECONDS = 0.5
PING_SECONDS = 15
SEND_SECONDS = 20.0
"""A watcher who takes nothing for so long is let go."""
MOST_WATCHERS = 500
_END = b"event: end\r\ndata: {}\r\n\r\n"


class _Channel:
    """The watchers of one run."""

    def __init__(self) -> None:
        self.changed = asyncio.Event()
        self.watchers = 0
        self.tailer: asyncio.Task[None] | None = None

    def tell(self) -> None:
        """Wake everybody who waits; who comes later waits for the next time."""
        self.changed.set()
        self.changed = asyncio.Event()


class Streams:
    """Hands out event streams."""

    def __init__(self, followers: Followers, standing: Callable[[Follower], Standing]) -> None:
        """`standing` says where a run stands, and so whether more is to come in its journal."""
        self.followers = followers
        self.standing = standing
        self._channels: dict[str, _Channel] = {}

    @property
    def watchers(self) -> int:
        """How many watch, over all runs."""
        return sum(channel.watchers for channel in self._channels.values())

    def response(self, run_id: str, after: int) -> EventSourceResponse:
        """The stream from the event after that number. Raises Busy."""
        if self.watchers >= MOST_WATCHERS:
            raise Busy(f"{MOST_WATCHERS} watchers are watching already", retry_after=30)
        return EventSourceResponse(
            self._events(run_id, after), ping=PING_SECONDS, send_timeout=SEND_SECONDS
        )

    async def _events(self, run_id: str, after: int) -> AsyncIterator[Any]:
        channel = self._join(run_id)
        try:
            while True:
                changed = channel.changed
                follower = await self.followers.of(run_id)
                data, after = await _next(follower, after)
                if data:
                    yield data
                elif not self.standing(follower).goes_on:
                    yield _END
                    return
                else:
                    await changed.wait()
        finally:
            self._leave(run_id, channel)

    def _join(self, run_id: str) -> _Channel:
        channel = self._channels.setdefault(run_id, _Channel())
        channel.watchers += 1
        if channel.tailer is None:
            channel.tailer = asyncio.create_task(self._tail(run_id, channel))
        return channel

    def _leave(self, run_id: str, channel: _Channel) -> None:
        channel.watchers -= 1
        if not channel.watchers and channel.tailer is not None:
            channel.tailer.cancel()
            self._channels.pop(run_id, None)

    async def _tail(self, run_id: str, channel: _Channel) -> None:
        """Read what is new, and wake the watchers; also when nothing more will come."""
        seen: tuple[object, ...] = ()
        while True:
            try:
                follower = await self.followers.of(run_id)
                now: tuple[object, ...] = (follower.version, self.standing(follower).goes_on)
            except Exception as error:  # the watchers meet it too, and are told
                now = (type(error), str(error))
            if now != seen:
                channel.tell()
            seen = now
            await asyncio.sleep(POLL_SECONDS)


async def _next(follower: Follower, after: int) -> tuple[bytes, int]:
    if follower.is_behind(after):
        return await asyncio.to_thread(follower.backlog, after)
    return follower.batch(after)
