"""Every host of a DSN is asked of the door before libpq may dial it, and dialled at the door's address.

libpq resolves names for each connection anew, and knows nothing of aliases and allowed hosts. So it is
handed addresses (`hostaddr`); the names stay beside them, for TLS.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from psycopg import pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from orchestra_core.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestra_core.outbound.door import Door
    from orchestra_fiqa_runner.postgres.dsn import Server

SCHEME = "postgresql"
_ELSEWHERE = ("service", "oauth_issuer")
"""Keywords that send libpq to places which the DSN itself does not name."""
_SOCKET = ("/", "@")


@dataclass(frozen=True, slots=True)
class _Place:
    """One of the DSN's hosts, as libpq would take it. Empty: its own default."""

    host: str
    hostaddr: str
    port: str

    @property
    def is_socket(self) -> bool:
        """Whether it is a socket in this machine's file system."""
        return not self.hostaddr and (not self.host or self.host.startswith(_SOCKET))


def admit(server: Server, door: Door) -> Server:
    """The server, each of its hosts bound to the address that the door dials; sockets as they are.

    Raises AddressRefused for a host that is not allowed, RequestFailed for an unknown name, UsageError
    for a DSN that leads elsewhere.
    """
    places = [_admitted(place, door) for place in _places(server)]
    host, hostaddr, port = (
        ",".join(getattr(place, name) for place in places) for name in ("host", "hostaddr", "port")
    )
    dsn = make_conninfo(server.dsn, host=host, hostaddr=hostaddr, port=port)
    return replace(server, dsn=dsn, secrets=(dsn, *server.secrets))


def _admitted(place: _Place, door: Door) -> _Place:
    if place.is_socket:
        return place
    address, port = door.dial_address(SCHEME, place.hostaddr or place.host, int(place.port or 5432))
    return _Place(place.host, address, str(port))


def _places(server: Server) -> list[_Place]:
    """As libpq reads them: what the DSN leaves out comes from PGHOST, PGPORT and the like."""
    parts = conninfo_to_dict(server.dsn)
    if found := [name for name in _ELSEWHERE if parts.get(name)]:
        raise UsageError(
            f"the DSN has '{found[0]}', so it would lead elsewhere than it says",
            where=server.name,
            hint="Write host, port, dbname and user into the DSN itself.",
        )
    hosts, addresses, ports = (_list(parts, name) for name in ("host", "hostaddr", "port"))
    count = max(len(hosts), len(addresses))
    lists = [found * count if len(found) == 1 else found for found in (hosts, addresses, ports)]
    if any(len(found) != count for found in lists) or not all(map(_is_port, ports)):
        raise UsageError(
            "the DSN's hosts and ports do not fit together",
            where=server.name,
            hint="Write host=a,b port=5432,5433, or one port for all.",
        )
    return [_Place(*one) for one in zip(*lists, strict=True)]


def _list(parts: Mapping[str, Any], name: str) -> list[str]:
    value = parts.get(name)
    if value is None:
        usual = {option.keyword: option.val for option in pq.Conninfo.get_defaults()}
        value = (usual.get(name.encode()) or b"").decode()
    return str(value).split(",")


def _is_port(text: str) -> bool:
    return not text or (text.isascii() and text.isdigit() and 0 < int(text[:6]) < 65536)
