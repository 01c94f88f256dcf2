"""Types of the experiment's `runner` keys that hold addresses or secrets, checked as they are read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, Field

from orchestra_core.errors import AddressRefused
from orchestra_core.outbound.addresses import check_target
from orchestra_core.outbound.policy import check_base_url, parse_allowed, read_aliases
from orchestra_core.outbound.secrets import check_headers

Answer = TypeVar("Answer")


def _check_address(value: str) -> str:
    return _readable(check_base_url, value)


def _check_aliases(value: dict[str, str]) -> dict[str, str]:
    _readable(read_aliases, value)
    return value


def _check_allowed(value: tuple[str, ...]) -> tuple[str, ...]:
    for entry in value:
        _readable(parse_allowed, entry)
    return value


def _check_endpoints(value: tuple[str, ...]) -> tuple[str, ...]:
    for entry in value:
        _readable(check_target, entry)
    return value


def _readable(parse: Callable[..., Answer], *texts: Any) -> Answer:
    """What pydantic can tell the user, with its place in the file."""
    try:
        return parse(*texts)
    except AddressRefused as error:
        raise ValueError(f"{error.message}. {error.hint}".removesuffix(".")) from None


BaseUrl = Annotated[str, AfterValidator(_check_address)]
Aliases = Annotated[dict[str, str], AfterValidator(_check_aliases)]
Allowed = Annotated[tuple[str, ...], Field(strict=False), AfterValidator(_check_allowed)]
Endpoints = Annotated[tuple[str, ...], Field(strict=False), AfterValidator(_check_endpoints)]
HeaderTemplates = Annotated[dict[str, str], AfterValidator(check_headers)]
