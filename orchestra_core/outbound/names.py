"""A host name is resolved once; from then on the door dials what was found, whatever the name says.

A name that answers differently the second time (DNS rebinding) can so lead nowhere new.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address

from orchestra_core.errors import AddressRefused, RequestFailed
from orchestra_core.scheduling.limits import begin

Resolve = Callable[[str, int], list[str]]
"""Host and port to numeric addresses, best first. Raises OSError."""
PATIENCE_S = 10.0
"""How long a name server may take."""
_THIS_NETWORK = IPv4Network("0.0.0.0/8")
_LOOPBACK = {"localhost": ("127.0.0.1", "::1"), "127.0.0.1": ("127.0.0.1",), "::1": ("::1",)}


class Names:
    """What each host was found to be. Safe to use from several threads."""

    def __init__(self, resolve: Resolve | None = None) -> None:
        self._resolve = resolve or system_resolve
        self._looked_up: dict[str, Future[tuple[str, ...]]] = {}
        self._lock = threading.Lock()

    def addresses(self, host: str, port: int, seconds: float = PATIENCE_S) -> tuple[str, ...]:
        """Numeric addresses of a host, the same ones every time; at most `seconds` are waited for them.

        A host is looked up once at a time, whoever asks, and again after a failure. Raises
        RequestFailed (`name`: there are none; `timeout`: there are none yet), AddressRefused where the
        name stands for a kind of address that no service has.
        """
        if host in _LOOPBACK:
            return _LOOPBACK[host]  # never asked of a name server: it could lie
        if (literal := _literal(host)) is not None:
            return (str(literal),)  # listed by its number, so it is what the user wants
        with self._lock:
            future = self._looked_up.get(host)
            if future is None:
                future = self._looked_up[host] = begin(lambda: self._look_up(host, port))
        wait([future], min(PATIENCE_S, seconds))
        if not future.done():
            raise _slow(host, seconds)
        try:
            return future.result()
        except OSError as error:
            self._forget(host, future)
            raise _unknown(host, str(error)) from error
        except BaseException:
            self._forget(host, future)
            raise

    def _forget(self, host: str, future: Future[tuple[str, ...]]) -> None:
        with self._lock:
            if self._looked_up.get(host) is future:
                del self._looked_up[host]

    def _look_up(self, host: str, port: int) -> tuple[str, ...]:
        found = self._resolve(host, port)
        if not found:
            raise OSError("no address")
        return tuple(_checked(host, address) for address in dict.fromkeys(found))


def system_resolve(host: str, port: int) -> list[str]:
    """What the operating system knows of a name."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(entry[4][0]) for entry in found]


def _literal(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host)
    except ValueError:
        return None


def _checked(host: str, address: str) -> str:
    found = ip_address(address.partition("%")[0])
    odd = found.is_link_local or found.is_multicast or found.is_unspecified or found.is_reserved
    if odd or (isinstance(found, IPv4Address) and found in _THIS_NETWORK):
        raise AddressRefused(
            f"the name '{host}' stands for {found}, where no service can be meant",
            hint="Look at the name's entry; to ask that address all the same, list it by its number.",
        )
    return str(found)


def _slow(host: str, seconds: float) -> RequestFailed:
    """A name server that takes longer than anybody waits knows nothing; else the request ran out of
    time, and may find the name known when it is sent again."""
    if seconds >= PATIENCE_S:
        return _unknown(host, f"no answer within {PATIENCE_S:g} s")
    return RequestFailed(
        "timeout",
        f"the host '{host}' was not found within {max(0.0, seconds):.3g} s",
        hint="Look at the name server, or raise runner.timeout_s.",
    )


def _unknown(host: str, problem: str) -> RequestFailed:
    return RequestFailed(
        "name",
        f"the host '{host}' was not found: {problem}",
        hint=f"Look for a slip in the name, or give its address: runner.host_aliases: {{{host}: …}}.",
    )
