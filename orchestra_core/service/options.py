"""What `orchestra serve` was told."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, field

from orchestra_core.artifacts import Home
from orchestra_core.errors import UsageError
from orchestra_core.session import Request

SHORTEST_TOKEN = 16
_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?)(:[0-9]{1,5})?")


@dataclass(frozen=True)
class ServiceOptions:
    """One service: where it listens, what it runs, and how much at a time."""

    home: Home
    request: Request = field(default_factory=Request)
    """The experiment that requests are layers over."""
    host: str = "127.0.0.1"
    port: int = 8001
    """0 takes a free port."""
    token: str | None = None
    """Asked of every request when set; needed off loopback."""
    allowed_hosts: tuple[str, ...] = ()
    """Further values of the Host header, such as `tuner.example:8001`."""
    workers: int = 2
    queue: int = 10
    resume: bool = False
    """Go on with the interrupted runs of this service at the start."""
    trust_experiments: bool = False
    """Let a request's experiment set runner, plugins, paths and any dataset."""

    def __post_init__(self) -> None:
        """Raises UsageError."""
        if self.token is not None and not _is_good_token(self.token):
            raise UsageError(
                f"the token has less than {SHORTEST_TOKEN} characters, or others than visible ASCII",
                hint="Make one with: openssl rand -hex 32",
            )
        if self.token is None and not is_loopback(self.host):
            raise UsageError(
                f"'{self.host}' can be reached from other machines, and no token is set",
                where="--host",
                hint="Set ORCHESTRA_SERVICE_TOKEN or --token-file, or listen on 127.0.0.1.",
            )
        for name in self.allowed_hosts:
            if not _HOST.fullmatch(name):
                raise UsageError(
                    f"'{name[:100]}' is not a host",
                    where="--allow-host",
                    hint="Write it as clients do: tuner.example:8001, without http://",
                )
        if is_wildcard(self.host) and not self.allowed_hosts:
            raise UsageError(
                f"'{self.host}' is every address of this machine, and no name to answer under",
                where="--host",
                hint="Name what clients ask for, such as --allow-host tuner.example:8001",
            )

    def hosts(self, port: int) -> frozenset[str]:
        """Every Host header that is answered, in lower case, when listening on `port`."""
        names = {"127.0.0.1", "localhost", "[::1]"} if is_loopback(self.host) else set()
        if not is_wildcard(self.host):
            names.add(f"[{self.host}]" if ":" in self.host else self.host)
        listed = {f"{name}:{port}" for name in names} | set(self.allowed_hosts)
        return frozenset(host.lower() for host in (listed | names if port == 80 else listed))

    def address(self, port: int) -> str:
        """Where clients find it when it listens on `port`."""
        if is_wildcard(self.host):
            return f"http://{self.allowed_hosts[0]}"
        return f"http://[{self.host}]:{port}" if ":" in self.host else f"http://{self.host}:{port}"


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address; names but `localhost` may lead anywhere."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def is_wildcard(host: str) -> bool:
    """Whether it stands for every address of the machine."""
    try:
        return ipaddress.ip_address(host).is_unspecified
    except ValueError:
        return not host


def _is_good_token(token: str) -> bool:
    return len(token) >= SHORTEST_TOKEN and all("!" <= character <= "~" for character in token)
