"""Connections to one server: a pool, a deadline for every statement, and errors without secrets."""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

import psycopg
from pgvector.psycopg import register_vector
from psycopg_pool import ConnectionPool, PoolTimeout

from orchestra_core.outbound.addresses import bracketed
from orchestra_fiqa_runner.evaluating import FailedQuery

if TYPE_CHECKING:
    from psycopg.sql import Composed

    from orchestra_fiqa_runner.postgres.dsn import Server

Row = tuple[Any, ...]
GRACE_S = 5.0
"""Seconds beyond the server's own time-out before the client hangs up: the server itself hangs."""
QUIET_S = 5.0
"""After no connection could be had, so long every request fails at once instead of waiting again."""
_UNREACHABLE = "unreachable"
_CONNECTION: dict[str, Any] = {
    "autocommit": True,
    "connect_timeout": 5,
    "application_name": "orchestra",
}
LOAD = "Load it: orchestra fiqa load, with the same experiment (--demo for the demonstration server)."
# What the pool logs is told as an error here; without a handler it would go to stderr as well.
logging.getLogger("psycopg.pool").addHandler(logging.NullHandler())


class Database:
    """Asks one server. Threads may share it."""

    def __init__(
        self, server: Server, *, connections: int, timeout_s: float, session: Mapping[str, str]
    ) -> None:
        """`session`: settings of every connection. Nothing is sent before `open`."""
        self.server = server
        self.answered: tuple[str, str] | None = None
        """Once it is open, who answered: URL, numeric address; None for a socket of this machine."""
        self._timeout = timeout_s
        self._session = {"statement_timeout": str(round(timeout_s * 1000)), "jit": "off", **session}
        self._down_until = 0.0
        self._watch = _Watch(timeout_s + GRACE_S)
        self._pool: ConnectionPool[psycopg.Connection[Row]] = ConnectionPool(
            server.dsn,
            min_size=1,
            max_size=connections,
            open=False,
            configure=self._configure,
            timeout=min(timeout_s, QUIET_S),
            reconnect_timeout=QUIET_S,
            kwargs=_CONNECTION,
        )

    def open(self) -> None:
        """Connect. Raises FailedQuery with the server's own words."""
        with self.told(), psycopg.connect(self.server.dsn, **_CONNECTION) as connection:
            self._configure(connection)  # the pool would only say that it waited in vain
            self.answered = _who_answered(connection.info)
        self._pool.open()

    def rows(
        self,
        query: Composed,
        arguments: Mapping[str, Any] | None = None,
        local: Sequence[tuple[str, str]] = (),
    ) -> list[Row]:
        """The rows of one query; `local` settings hold for it alone. Raises FailedQuery."""
        with self.told(), self._connection() as connection, self._watch.over(connection):
            try:
                return _ask(connection, query, arguments, local)
            finally:
                if connection.broken:  # then so may the others be
                    self._pool.drain()

    def close(self) -> None:
        """Let go of every connection."""
        self._watch.close()
        self._pool.close(timeout=2)

    @contextmanager
    def told(self) -> Iterator[None]:
        """Turn what the client raises into a FailedQuery that names the server and holds no secret."""
        try:
            yield
        except psycopg.errors.QueryCanceled:
            hint = "Raise runner.timeout_s, or look at the server's load."
            raise FailedQuery("timeout", f"no answer within {self._timeout:g} s", hint) from None
        except (psycopg.Error, OSError) as error:
            message = self.server.hide(f"{self.server.name}: {error}")
            raise FailedQuery(type(error).__name__, message) from None

    @contextmanager
    def _connection(self) -> Iterator[psycopg.Connection[Row]]:
        if time.monotonic() < self._down_until:
            raise FailedQuery(_UNREACHABLE, f"{self.server.name}: the server could not be reached")
        try:
            connection = self._pool.getconn()
        except PoolTimeout:
            self._down_until = time.monotonic() + QUIET_S
            told = f"{self.server.name}: no connection within {self._pool.timeout:g} s"
            raise FailedQuery(_UNREACHABLE, told) from None
        try:
            yield connection
        finally:
            self._pool.putconn(connection)

    def _configure(self, connection: psycopg.Connection[Row]) -> None:
        try:
            register_vector(connection)
        except psycopg.ProgrammingError:  # what every database lacks at first
            told = f"{self.server.name}: the extension 'vector' is not there yet"
            raise FailedQuery("not_loaded", told, LOAD) from None
        for name, value in self._session.items():
            connection.execute("SELECT set_config(%s, %s, false)", (name, value))


def _who_answered(info: psycopg.ConnectionInfo) -> tuple[str, str] | None:
    if not info.hostaddr:
        return None
    host = info.host or info.hostaddr
    return f"postgresql://{bracketed(host)}:{info.port}", f"{bracketed(info.hostaddr)}:{info.port}"


def _ask(
    connection: psycopg.Connection[Row],
    query: Composed,
    arguments: Mapping[str, Any] | None,
    local: Sequence[tuple[str, str]],
) -> list[Row]:
    if not local:
        return connection.execute(query, arguments, binary=True).fetchall()
    with connection.pipeline(), connection.transaction():
        for setting in local:
            connection.execute("SELECT set_config(%s, %s, true)", setting)
        cursor = connection.execute(query, arguments, binary=True)
    return cursor.fetchall()


class _Watch:
    """Hangs up on a server that answers neither in its own time-out nor in the grace after it."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._deadlines: dict[int, float] = {}
        self._lock = threading.Lock()
        self._closed = threading.Event()
        self._thread: threading.Thread | None = None

    @contextmanager
    def over(self, connection: psycopg.Connection[Row]) -> Iterator[None]:
        descriptor = connection.fileno()
        with self._lock:
            self._deadlines[descriptor] = time.monotonic() + self._seconds
            if self._thread is None:
                self._thread = threading.Thread(target=self._look, name="fiqa-watch", daemon=True)
                self._thread.start()
        try:
            yield
        finally:
            with self._lock:
                self._deadlines.pop(descriptor, None)

    def close(self) -> None:
        self._closed.set()

    def _look(self) -> None:
        while not self._closed.wait(0.5):
            with self._lock:
                now = time.monotonic()
                late = [d for d, deadline in self._deadlines.items() if now > deadline]
                for descriptor in late:
                    del self._deadlines[descriptor]
                    # A copy of the descriptor: the connection itself stays the client's to close.
                    with suppress(OSError), socket.socket(fileno=os.dup(descriptor)) as wire:
                        wire.shutdown(socket.SHUT_RDWR)
