"""What an address may look like. Stricter than any standard: one way to write a host, no other.

Parsers disagree about odd addresses, and that is how an allow-list is walked around. So whatever two
parsers could read differently is refused here, with what to write instead.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from ipaddress import AddressValueError, IPv4Address, IPv6Address

from orchestra_core.errors import AddressRefused

LOOPBACK = ("127.0.0.1", "::1", "localhost")
"""The canonical forms of this machine; no other form is."""
DEFAULT_PORTS = {"http": 80, "https": 443}
_LONGEST = 2048
_URL = re.compile(r"(https?)://([^/?#]*)([^?#]*)(\?[^#]*)?(#.*)?", re.IGNORECASE | re.DOTALL)
_HOST_PORT = re.compile(r"(\[[^\]]*\]|[^:\[\]]*)(?::([0-9]+))?")
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_TARGET = re.compile(r"/(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/?]++|%[0-9A-Fa-f]{2})*")
_DOTS = re.compile(r"/(?:\.|%2e){1,2}(?:/|$)", re.IGNORECASE)
_USERINFO = re.compile(r"(?<=//)[^/?#]*@|^[^/?#]*@")
_NUMERIC = re.compile(r"[0-9]+|0x[0-9a-f]*")


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host (lower case, IPv6 without brackets) and port."""

    scheme: str
    host: str
    port: int

    @property
    def authority(self) -> str:
        """`host:port`, with brackets around an IPv6 address."""
        return f"{bracketed(self.host)}:{self.port}"

    @property
    def host_header(self) -> str:
        """The value of a Host header: without the port where it is the scheme's own."""
        usual = DEFAULT_PORTS.get(self.scheme) == self.port
        return bracketed(self.host) if usual else self.authority

    @property
    def is_loopback(self) -> bool:
        """Whether the host is this machine, in canonical form."""
        return self.host in LOOPBACK

    def __str__(self) -> str:
        return f"{self.scheme}://{self.authority}"


@dataclass(frozen=True, slots=True)
class Url:
    """An origin, and what is asked of it (path and query, ASCII)."""

    origin: Origin
    target: str

    def __str__(self) -> str:
        return f"{self.origin}{self.target}"


def parse_url(text: str) -> Url:
    """A URL of scheme http or https. Raises AddressRefused."""
    _refuse_characters(text)
    match = _URL.fullmatch(text)
    if match is None:
        raise refused(text, "is no http or https address", "Write http://host:port or https://host.")
    scheme, authority, path, query, fragment = match.groups()
    if fragment:
        raise refused(text, "has a fragment", "Leave out '#' and what follows.")
    if "@" in authority:
        raise refused(
            text,
            "holds a user or password",
            "Leave out what stands before '@'; give credentials by runner.headers.",
        )
    host, port = parse_host_port(authority, text)
    scheme = scheme.lower()
    target = check_target((path or "/") + (query or ""))
    return Url(Origin(scheme, host, port or DEFAULT_PORTS[scheme]), target)


@lru_cache(maxsize=1024)
def check_target(target: str) -> str:
    """A path with its query, as it is sent. Raises AddressRefused."""
    if not _TARGET.fullmatch(target) or len(target) > _LONGEST:
        raise refused(
            target, "has characters in its path that need escaping, or too many", "Write them as %XX."
        )
    if _DOTS.search(target.partition("?")[0]):
        raise refused(target, "has '.' or '..' as a part of its path", "Write the path that is meant.")
    return target


def parse_host_port(text: str, where: str = "") -> tuple[str, int | None]:
    """`host` or `host:port`. Raises AddressRefused. `where`: what to name in the message."""
    shown = where or text
    _refuse_characters(text, shown)
    if "@" in text:
        raise refused(
            shown, "holds a user or password", "Leave out what stands before '@', and the '@'."
        )
    match = _HOST_PORT.fullmatch(text)
    if match is None:
        raise refused(shown, "has no readable host and port", "Write host:port, an IPv6 host in [ ].")
    host, port = match.groups()
    number = int(port) if port and len(port) <= 5 else None
    if port is not None and (number is None or not 1 <= number <= 65535 or port[0] == "0"):
        hint = "Ports are from 1 to 65535, without zeros before them."
        raise refused(shown, f"has no port that exists: {port[:12]}", hint)
    return _checked_host(host.lower(), shown), number


def bracketed(host: str) -> str:
    """A host as it stands before a port."""
    return f"[{host}]" if ":" in host else host


def refused(text: str, problem: str, hint: str) -> AddressRefused:
    """The error for an address; credentials are left out of it, what is unprintable is escaped."""
    shown = _USERINFO.sub("***@", text)

    def told(address: str) -> str:
        return f"the address '{address.encode('unicode_escape').decode('ascii')}' {problem}"

    error = AddressRefused(told(shown[:120]), hint=hint)
    error.whole = told(shown)
    return error


def _refuse_characters(text: str, shown: str = "") -> None:
    shown = shown or text
    if len(text) > _LONGEST:
        raise refused(shown, f"is longer than {_LONGEST} characters", "Shorten it.")
    if any(character.isspace() for character in text):
        raise refused(shown, "holds whitespace", "Leave out blanks; write them as %20 in a path.")
    if any(ord(character) < 0x20 or ord(character) == 0x7F for character in text):
        raise refused(shown, "holds control characters", "Leave them out.")
    if "\\" in text:
        raise refused(shown, "holds a backslash", "Use '/' in addresses.")
    if not text.isascii():
        raise refused(
            shown,
            "holds characters that are not ASCII",
            "Write international names in their xn-- form, and paths with %XX.",
        )


def _checked_host(host: str, shown: str) -> str:
    if not host:
        raise refused(shown, "names no host", "Write http://host:port.")
    if host.startswith("["):
        return _checked_ipv6(host[1:-1], shown)
    if "%" in host:
        raise refused(shown, "has an escaped host", "Write the host as it is.")
    if host.endswith("."):
        raise refused(shown, "has a host that ends in a dot", "Leave out the last dot.")
    labels = host.split(".")
    if _NUMERIC.fullmatch(labels[-1]):
        return _checked_ipv4(host, shown)
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise refused(
            shown,
            "has no readable host name",
            "Names are of letters, digits, '-' and '_', joined by single dots.",
        )
    return host


def _checked_ipv4(host: str, shown: str) -> str:
    """Four decimal numbers; `127.1`, `2130706433` and `0x7f000001` are other spellings of one."""
    try:
        return str(IPv4Address(host))
    except AddressValueError:
        raise refused(
            shown,
            "has an IPv4 address in another than its usual form",
            "Write four decimal numbers, such as 127.0.0.1.",
        ) from None


def _checked_ipv6(host: str, shown: str) -> str:
    if "%" in host:
        raise refused(shown, "has a zone id", "Write the address without '%' and what follows.")
    try:
        address = IPv6Address(host)
    except AddressValueError:
        raise refused(shown, "has no readable IPv6 address", "Write it as [::1].") from None
    if address.ipv4_mapped is not None:
        raise refused(shown, "wraps an IPv4 address", f"Write {address.ipv4_mapped}.")
    if str(address) != host:
        raise refused(shown, "has an IPv6 address not in its shortest form", f"Write [{address}].")
    return host
