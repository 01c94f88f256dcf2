"""uvicorn around the application: one process, patient with nobody."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from orchestra_core.artifacts import exclusive
from orchestra_core.errors import InfrastructureError, UsageError
from orchestra_core.service.app import create_app
from orchestra_core.service.options import ServiceOptions

HEAD_SECONDS = 10.0
"""A request's head must be whole by then."""
READ_SECONDS = 30.0
"""A client that takes nothing of its answer for so long is cut off."""
MOST_CONNECTIONS = 800


class ImpatientProtocol(H11Protocol):
    """HTTP/1.1 that gives up on clients who send or read too slowly; uvicorn waits for ever."""

    _head_timer: asyncio.TimerHandle | None = None
    _read_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The head of the first request is due."""
        super().connection_made(transport)
        self._expect_head()

    def data_received(self, data: bytes) -> None:
        """A head that is not whole yet stays due from its first byte."""
        super().data_received(data)
        if self.conn.their_state is not h11.IDLE:
            self._stop_timers(head=True)
        elif self._head_timer is None:
            self._expect_head()

    def pause_writing(self) -> None:
        """The client's side is full: it must read."""
        super().pause_writing()
        self._stop_timers(read=True)
        self._read_timer = self.loop.call_later(READ_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """It did."""
        self._stop_timers(read=True)
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is due any more."""
        self._stop_timers(head=True, read=True)
        super().connection_lost(exc)

    def _stop_timers(self, *, head: bool = False, read: bool = False) -> None:
        if head and self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
        if read and self._read_timer is not None:
            self._read_timer.cancel()
            self._read_timer = None

    def _expect_head(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self.transport.abort)


class Server(uvicorn.Server):
    """Tells its address once it listens."""

    def __init__(self, config: uvicorn.Config, listening: Callable[[str, int], None]) -> None:
        super().__init__(config)
        self._listening = listening

    async def startup(self, sockets: list[Any] | None = None) -> None:
        """As uvicorn's; then `listening` is called with address and port."""
        await super().startup(sockets)
        if self.started and self.servers:
            address = self.servers[0].sockets[0].getsockname()
            self._listening(address[0], address[1])


def serve(options: ServiceOptions, listening: Callable[[str, int], None]) -> None:
    """Serve until a signal ends it. Raises UsageError, StorageError, InfrastructureError."""
    port = options.port

    def told(host: str, actual: int) -> None:
        nonlocal port
        port = actual
        listening(host, actual)

    app = create_app(options, lambda: options.hosts(port))
    lock = options.home.reports / "service" / ".lock"
    try:
        with exclusive(lock, wait=False):
            Server(uvicorn.Config(app, **_settings(options)), told).run()
    except BlockingIOError:
        raise UsageError(
            "another service is serving this home folder",
            where=str(options.home.root),
            hint="Stop it, or name another folder with --home.",
        ) from None
    except SystemExit:  # uvicorn's way; its log line says why
        raise InfrastructureError(
            f"cannot listen on {options.host}, port {options.port}",
            hint="Is it taken? Choose another one with --port.",
        ) from None
    except KeyboardInterrupt:
        logging.getLogger("orchestra.service").info("stopped")


def _settings(options: ServiceOptions) -> dict[str, Any]:
    return {
        "host": options.host,
        "port": options.port,
        "http": ImpatientProtocol,
        "ws": "none",
        "lifespan": "on",
        "log_level": "warning",
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,  # nobody's word on where a request came from is taken
        "timeout_keep_alive": 5,
        "timeout_graceful_shutdown": 5,
        "limit_concurrency": MOST_CONNECTIONS,
    }
