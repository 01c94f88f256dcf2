"""Where connections begin: a route's addresses are dialled, one after the other, within a deadline.

The only module that opens sockets. `transport` is its only user.
"""

from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Iterable
from typing import Any

import httpcore2 as http

from orchestra_core.outbound.names import Names
from orchestra_core.outbound.policy import Route

_now = time.monotonic
Dialled = Callable[[Route], None]


def _nothing(_route: Route) -> None:
    """Where nobody wants to know."""


class Hushed(Exception):
    """The door was closed while an attempt was under way."""


class Clock(threading.local):
    """When the attempt that this thread makes must be over. One thread makes one attempt at a time."""

    ends = 0.0

    def __init__(self, closed: threading.Event) -> None:
        self.closed = closed

    def left(self, error: type[Exception]) -> float:
        """Seconds, above 0. Raises `error` when there are none, Hushed once the door is closed."""
        if self.closed.is_set():
            raise Hushed
        left = self.ends - _now()
        if left <= 0:
            raise error("the attempt's time is up")
        return left


class _Stream(http.NetworkStream):
    """A connection whose every read and write ends with the attempt: drops of bytes win no time."""

    def __init__(self, stream: http.NetworkStream, clock: Clock) -> None:
        self._stream, self._clock = stream, clock

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._clock.left(http.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._clock.left(http.WriteTimeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> http.NetworkStream:
        left = self._clock.left(http.ConnectTimeout)
        return _Stream(self._stream.start_tls(ssl_context, server_hostname, left), self._clock)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class Dialer(http.NetworkBackend):
    """Dials the addresses of permitted routes, and nothing else."""

    def __init__(self, names: Names) -> None:
        self.clock = Clock(threading.Event())
        self.dialled: Dialled = _nothing
        self._names = names
        self._permitted: dict[tuple[str, int], Route] = {}
        self._answered: dict[str, str] = {}
        self._backend = http.SyncBackend()

    def permit(self, route: Route) -> None:
        """Before a connection to its named origin is asked for."""
        self._permitted[route.named.host, route.named.port] = route

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> http.NetworkStream:
        """The first address that answers; each has an equal share of the time that is left."""
        route = self._permitted[host, port]
        name, number = route.dialled.host, route.dialled.port
        found = self._names.addresses(name, number, self.clock.left(http.ConnectTimeout))
        self.dialled(route)
        # The one that answered goes first: a broken way (often that of IPv6) costs its time once.
        addresses = sorted(found, key=lambda address: address != self._answered.get(name))
        for others, address in zip(range(len(addresses) - 1, -1, -1), addresses, strict=True):
            share = self.clock.left(http.ConnectTimeout) / (others + 1)
            options = (local_address, socket_options)
            try:
                stream = self._backend.connect_tcp(address, number, share, *options)
            except (http.ConnectError, http.ConnectTimeout):
                if not others:
                    raise
            else:
                self._answered[name] = address
                return _Stream(stream, self.clock)
        raise http.ConnectError("no address")
