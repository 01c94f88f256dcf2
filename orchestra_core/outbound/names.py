"""A host name is resolved once; from then on the door dials what was found, whatever the name says.

A name that answers differently the second time (DNS rebinding) can so lead nowhere new.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, ip_address

from orchestra_core.errors import AddressRefused, RequestFailed, RunnerTimeout
from orchestra_core.scheduling.limits import within

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
        self._found: dict[str, tuple[str, ...]] = {}
        self._lock = threading.Lock()

    def addresses(self, host: str, port: int) -> tuple[str, ...]:
        """Numeric addresses of a host, the same ones every time.

        Raises RequestFailed where there are none, AddressRefused where the name stands for a kind of
        address that no service has.
        """
        if host in _LOOPBACK:
            return _LOOPBACK[host]  # never asked of a name server: it could lie
        with self._lock:
            if host not in self._found:
                self._found[host] = self._look_up(host, port)
            return self._found[host]

    def _look_up(self, host: str, port: int) -> tuple[str, ...]:
        literal = _literal(host)
        if literal is not None:  # listed by its number, so it is what the user wants
            return (str(literal),)
        try:
            found = within(PATIENCE_S, lambda: self._resolve(host, port))
        except (OSError, RunnerTimeout) as error:
            raise _unknown(host, str(error)) from error
        if not found:
            raise _unknown(host, "no address")
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


def _unknown(host: str, problem: str) -> RequestFailed:
    return RequestFailed(
        "name",
        f"the host '{host}' was not found: {problem}",
        hint=f"Look for a slip in the name, or give its address: runner.host_aliases: {{{host}: …}}.",
    )
