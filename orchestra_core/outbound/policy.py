"""Which origins may be asked, and at which address: aliases first, then the exact allow-list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from orchestra_core.errors import AddressRefused
from orchestra_core.outbound.addresses import (
    DEFAULT_PORTS,
    Origin,
    bracketed,
    parse_host_port,
    parse_url,
    refused,
)

Alias = tuple[str, int | None]


@dataclass(frozen=True, slots=True)
class Route:
    """An origin that may be asked. `named` is what the target is told, `dialled` where it is found."""

    named: Origin
    dialled: Origin

    @property
    def aliased(self) -> bool:
        """Whether an alias changed the address."""
        return self.named != self.dialled


class Policy:
    """`host_aliases` and `allowed_hosts` of an experiment's runner section."""

    def __init__(self, aliases: Mapping[str, str], allowed: Iterable[str]) -> None:
        """Raises AddressRefused for an entry that cannot be read."""
        self._aliases = read_aliases(aliases)
        self._allowed = frozenset(parse_allowed(entry) for entry in allowed)

    def route(self, origin: Origin, *, by_name: bool = False) -> Route:
        """The way to an origin. Raises AddressRefused for one that is not allowed.

        An alias is applied once, never to its own result. What must be listed is the address after
        it: scheme, host and port, exactly. Loopback in canonical form needs no listing,
        unless `by_name`.
        """
        dialled = self._behind_alias(origin)
        listed = {(dialled.scheme, dialled.host, dialled.port), ("", dialled.host, dialled.port)}
        if listed & self._allowed or (dialled.is_loopback and not by_name):
            return Route(origin, dialled)
        told = f"{origin}, which stands for {dialled}," if dialled != origin else f"{origin}"
        here = " is on this machine, where nobody else may send a request, and" if by_name else ""
        raise AddressRefused(
            f"{told}{here if dialled.is_loopback else ''} is not on the list of allowed hosts",
            hint=f"If you trust it, add '{dialled}' to runner.allowed_hosts.",
            details={"origin": str(origin), "dialled": str(dialled)},
        )

    def _behind_alias(self, origin: Origin) -> Origin:
        exact = self._aliases.get((origin.host, origin.port))
        host, port = exact or self._aliases.get((origin.host, None)) or (origin.host, origin.port)
        return Origin(origin.scheme, host, port or origin.port)


def read_aliases(aliases: Mapping[str, str]) -> dict[Alias, Alias]:
    """All of `host_aliases`. Raises AddressRefused, also where two names are one."""
    found: dict[Alias, Alias] = {}
    for name, address in aliases.items():
        key, value = parse_alias(name, address)
        if key in found:
            raise refused(name, "has an alias already", "Case makes no difference: leave one out.")
        found[key] = value
    return found


def parse_alias(name: str, address: str) -> tuple[Alias, Alias]:
    """One entry of `host_aliases`. Raises AddressRefused."""
    key, value = parse_host_port(name), parse_host_port(address)
    if (key[1] is None) != (value[1] is None):
        raise refused(
            f"{name}: {address}",
            "gives a port on one side only",
            "Write host: address, or host:port: address:port.",
        )
    return key, value


def parse_allowed(entry: str) -> tuple[str, str, int]:
    """One entry of `allowed_hosts` as (scheme or empty, host, port). Raises AddressRefused."""
    scheme, separator, rest = entry.rpartition("://")
    if "*" in entry:
        raise refused(entry, "holds a '*'", "List each host with its port; there are no wildcards.")
    host, port = parse_host_port(rest, entry)
    if port is None:
        usual = DEFAULT_PORTS.get(scheme, 443)
        hint = f"Write {scheme}{separator}{bracketed(host)}:{usual}, or whichever port it is."
        raise refused(entry, "names no port", hint)
    if separator and scheme not in ("http", "https", "postgresql"):
        raise refused(entry, "has an unknown scheme", "Schemes are http, https and postgresql.")
    return scheme, host, port


def check_base_url(text: str) -> str:
    """A service's base address, without query. Raises AddressRefused."""
    if "?" in text:
        raise refused(text, "has a query", "Give the address of the service alone.")
    parse_url(text)
    return text
