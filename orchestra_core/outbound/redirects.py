"""Where a redirect leads: another request, without credentials, which the policy judges like any."""

from __future__ import annotations

from typing import Any

from orchestra_core.errors import AddressRefused, RequestFailed
from orchestra_core.outbound.addresses import Url, check_target, parse_url
from orchestra_core.outbound.transport import Raw

KEEPS_METHOD = frozenset({307, 308})


def redirected(method: str, url: Url, raw: Raw) -> dict[str, Any]:
    """What changes in the call. Raises RequestFailed for a redirect that cannot be followed as meant.

    A POST is sent on by 307 and 308 alone: the other codes would turn it into a GET, which asks
    something else.
    """
    location = raw.headers.get("location", "")
    if method not in ("GET", "HEAD") and raw.status not in KEEPS_METHOD:
        raise RequestFailed(
            "redirect",
            f"the target answered {raw.status}, which sends a {method} elsewhere as a GET",
            hint="Ask the new address itself: correct runner.base_url or the mapping's path.",
        )
    try:
        where = _resolved(url, location)
    except AddressRefused as error:
        raise misled(url, error) from error
    return {"url": where, "with_credentials": False}


def misled(url: Url, error: AddressRefused) -> RequestFailed:
    """The failure of a request that was sent on to an address that may not be asked."""
    told = error.whole or error.message  # cut once it is redacted: half a secret is not known for one
    return RequestFailed("redirect", f"a redirect by {url} was not followed: {told}", hint=error.hint)


def _resolved(url: Url, location: str) -> Url:
    """An absolute address, or a path on the same origin; nothing relative to a path."""
    if location.startswith("/") and not location.startswith("//"):
        return Url(url.origin, check_target(location))
    return parse_url(location)
