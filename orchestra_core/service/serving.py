"""uvicorn around the application: one process, patient with nobody."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, Literal

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from orchestra_core.artifacts import exclusive
from orchestra_core.errors import InfrastructureError, UsageError
from orchestra_core.service.app import create_app
from orchestra_core.service.gate import with_safe_headers
from orchestra_core.service.options import ServiceOptions
from orchestra_core.service.problems import problem
from orchestra_core.service.processes import Desk

HEAD_SECONDS = 10.0
"""A request's head must be whole by then."""
READ_SECONDS = 30.0
"""A client that takes nothing of its answer for so long is cut off."""
REST_SECONDS = 5.0
"""The rest of a body that nobody read must be there by then, counted from the answer."""
MOST_CONNECTIONS = 800
"""Beyond these, whoever waits longest for nothing is let go; when none does, newcomers are refused."""
_Timer = Literal["head", "read", "rest"]


class ImpatientProtocol(H11Protocol):
    """HTTP/1.1 that gives up on clients who send or read too slowly; uvicorn waits for ever."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._timers: dict[_Timer, asyncio.TimerHandle] = {}
        self._since = self.loop.time()
        """When something was done for this client last."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The head of the first request is due."""
        super().connection_made(transport)
        if len(self.connections) > MOST_CONNECTIONS and not self._make_room():
            self.app_state = {**self.app_state, "crowded": True}
        self._expect("head", HEAD_SECONDS)

    def data_received(self, data: bytes) -> None:
        """A head that is not whole yet stays due from its first byte."""
        super().data_received(data)
        if self.conn.their_state is not h11.SEND_BODY:
            self._stop("rest")
        if self.conn.their_state is not h11.IDLE:
            self._stop("head")
        elif "head" not in self._timers:
            self._expect("head", HEAD_SECONDS)

    def on_response_complete(self) -> None:
        """An answer may come before the body was read; what is left of it cannot come for ever."""
        self._since = self.loop.time()
        super().on_response_complete()
        if self.conn.their_state is h11.SEND_BODY:
            self._expect("rest", REST_SECONDS)

    def send_400_response(self, msg: str) -> None:
        """Like every error, a problem: there is no request that the application could answer."""
        if self.cycle is not None and not self.cycle.response_complete:  # a body that ends in nonsense
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
            self.transport.close()
            return
        answer = problem(400, "http", "this is no HTTP/1.1 request", headers={"Connection": "close"})
        headers = with_safe_headers(answer.raw_headers)
        for event in (
            h11.Response(status_code=400, headers=headers, reason=b"Bad Request"),
            h11.Data(data=bytes(answer.body)),
            h11.EndOfMessage(),
        ):
            self.transport.write(self.conn.send(event) or b"")
        self.transport.close()

    def pause_writing(self) -> None:
        """The client's side is full: it must read."""
        super().pause_writing()
        self._expect("read", READ_SECONDS)

    def resume_writing(self) -> None:
        """It did."""
        self._stop("read")
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is due any more."""
        self._stop("head", "read", "rest")
        super().connection_lost(exc)

    @property
    def _idles(self) -> bool:
        """Whether nobody works for this client: its next request, or the rest of one, is awaited."""
        return self.cycle is None or self.cycle.response_complete

    def _make_room(self) -> bool:
        """Let go of the client that has been here longest without anything being done for it."""
        others = (c for c in self.connections if isinstance(c, ImpatientProtocol) and c is not self)
        idle = min((c for c in others if c._idles), key=lambda c: c._since, default=None)  # noqa: SLF001
        if idle is None:
            return False
        self.connections.discard(idle)  # at once; the loop closes it later
        idle.transport.abort()
        return True

    def _stop(self, *timers: _Timer) -> None:
        for name in timers:
            if timer := self._timers.pop(name, None):
                timer.cancel()

    def _expect(self, name: _Timer, seconds: float) -> None:
        self._stop(name)
        self._timers[name] = self.loop.call_later(seconds, self.transport.abort)


class Server(uvicorn.Server):
    """Says when it answers."""

    def __init__(self, config: uvicorn.Config, listening: Callable[[], None]) -> None:
        super().__init__(config)
        self._listening = listening

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """As uvicorn's, and the loss of the terminal ends the service as cleanly as SIGTERM does."""
        before = signal.getsignal(signal.SIGHUP)
        if before is not signal.SIG_IGN:  # as by `nohup`
            signal.signal(signal.SIGHUP, self.handle_exit)
        try:
            with super().capture_signals():
                yield
        finally:
            signal.signal(signal.SIGHUP, before)

    async def startup(self, sockets: list[Any] | None = None) -> None:
        """As uvicorn's; then `listening` is called."""
        await super().startup(sockets)
        if self.started:
            self._listening()


def serve(options: ServiceOptions, listening: Callable[[str], None]) -> None:
    """Serve until a signal ends it; `listening` is called with the address.

    Raises UsageError, StorageError, InfrastructureError.
    """
    lock = options.home.reports / "service" / ".lock"
    with ExitStack() as closing:
        try:
            closing.enter_context(exclusive(lock, wait=False))
        except BlockingIOError:
            raise UsageError(
                "another service is serving this home folder",
                where=str(options.home.root),
                hint="Stop it, or name another folder with --home.",
            ) from None
        check_experiment(options)
        sockets = [closing.enter_context(opened) for opened in _listen(options)]
        port = sockets[0].getsockname()[1]
        app = create_app(options, lambda: options.hosts(port))
        server = Server(uvicorn.Config(app, **_settings()), lambda: listening(options.address(port)))
        with suppress(KeyboardInterrupt):
            server.run(sockets)
        if not server.started:
            raise InfrastructureError("the service could not start", hint="What is above says why.")


def check_experiment(options: ServiceOptions) -> None:
    """Raises UsageError when the service's own experiment is one that could never run."""
    own = asyncio.run(Desk(options).own())
    if error := own.get("error"):
        raise UsageError(error["msg"], hint=error["hint"], details=error["details"])


def _listen(options: ServiceOptions) -> list[socket.socket]:
    """A socket per address of the host, of one port. Raises InfrastructureError."""
    opened: list[socket.socket] = []
    try:
        port, flags = options.port, socket.AI_PASSIVE
        found = socket.getaddrinfo(options.host, port, type=socket.SOCK_STREAM, flags=flags)
        for family, address in dict.fromkeys((entry[0], entry[4][0]) for entry in found):
            opened.append(socket.create_server((str(address), port), family=family, backlog=2048))
            port = opened[0].getsockname()[1]
    except OSError as error:
        for made in opened:
            made.close()
        raise InfrastructureError(
            f"cannot listen on {options.host}, port {options.port}: {error.strerror}",
            hint="Choose another one with --port, or another address with --host.",
        ) from None
    return opened


def _settings() -> dict[str, Any]:
    return {
        "http": ImpatientProtocol,
        "ws": "none",
        "lifespan": "on",
        "log_level": "error",
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,  # nobody's word on where a request came from is taken
        "timeout_keep_alive": 5,
        "timeout_graceful_shutdown": 5,
    }
