"""An answer as callers see it, and the failure that a status stands for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from orchestra_core.errors import RequestFailed
from orchestra_core.outbound.reading import Headers, Sizes, parse_json
from orchestra_core.outbound.retrying import LONGEST_RETRY_AFTER_S, retry_after
from orchestra_core.outbound.transport import Raw

if TYPE_CHECKING:
    from orchestra_core.outbound.secrets import Secrets

REDIRECTS = frozenset({301, 302, 303, 307, 308})
_READ, _EXCERPT = 2000, 200
"""Characters of an error's body that are looked at, and told."""
_HINTS = {
    400: "The target did not understand the request; compare the mapping with its documentation.",
    401: "Set or correct runner.headers.Authorization, by ${env:…}; redirects are followed without it.",
    403: "The credentials of runner.headers do not suffice.",
    404: "Compare runner.base_url and the mapping's path with what the target serves.",
    413: "Ask for less at once.",
    429: "Lower runner.rate_limit_per_sec, or concurrency.",
}


@dataclass(slots=True)
class Story:
    """What a request took so far, over all its attempts; times in seconds."""

    attempts: int = 0
    """How often it was sent, redirects included."""
    taken: int = 0
    """Of the run's allowance: as often as it was about to be sent."""
    backoff_s: float = 0.0
    held_s: float = 0.0
    under_way_s: float = 0.0
    """Of the present attempt: what its earlier hops took."""
    cost: float | None = None
    """USD of attempts that were refused, as far as they told."""


@dataclass(frozen=True, slots=True)
class Reply:
    """A good answer (2xx), and what it took.

    Headers and body are as they were sent, so they may echo a secret: whatever of them is written
    down passes `Door.redact` first. What is compared or parsed does not: a document's id may well
    hold a tenant's name.
    """

    status: int
    headers: Headers = field(repr=False)
    body: bytes = field(repr=False)
    attempts: int
    latency_ms: float
    """As a user would feel it: from the first attempt to the end of the answer, pauses included."""
    backoff_ms: float
    """The part of `latency_ms` spent in pauses before repetitions."""
    held_ms: float
    """Before and between attempts, for Orchestra's own limits; no part of `latency_ms`."""
    refused_cost: float | None = None
    """USD of attempts before it that were refused; None where none told of any."""
    sizes: Sizes = field(default_factory=Sizes, repr=False)

    def json(self) -> Any:
        """The body as JSON values. Raises RequestFailed (`not_json`, `too_deep`)."""
        try:
            return parse_json(self.body, self.sizes)
        except RequestFailed as error:
            raise self.spent_on(error) from error

    def spent_on(self, error: RequestFailed) -> RequestFailed:
        """The error, with what this answer took."""
        error.attempts, error.latency_ms = self.attempts, self.latency_ms
        error.backoff_ms, error.held_ms = self.backoff_ms, self.held_ms
        error.cost = added(error.cost, self.refused_cost)
        return error


def added(cost: float | None, more: float | None) -> float | None:
    """Both amounts; None where neither is known."""
    return more if cost is None else cost + (more or 0.0)


def refused_cost(raw: Raw, charge: Callable[[Any], float | None], sizes: Sizes) -> float | None:
    """What a refusal says it cost; None where it is no JSON."""
    try:
        return charge(parse_json(raw.body, sizes))
    except RequestFailed:
        return None


def status_failure(raw: Raw, secrets: Secrets) -> RequestFailed:
    """The failure of an answer that is neither good nor a redirect."""
    said = secrets.beginning(raw.body.decode("utf-8", "replace"), _READ)
    excerpt = " ".join(said.split())[:_EXCERPT]
    server_side = raw.status >= 500
    usual = "Look at the target's log." if server_side else _HINTS[400]
    hint = _HINTS.get(raw.status, usual)
    details: dict[str, Any] = {"status": raw.status}
    wanted = retry_after(raw.headers["retry-after"]) if "retry-after" in raw.headers else None
    if wanted is not None and raw.status in (429, 503):
        details["retry_after_s"] = wanted
        if wanted > LONGEST_RETRY_AFTER_S:
            hint = f"It wants to be left alone for {wanted:.0f} s; try again then."
    told = f"the target answered {raw.status}" + (f": {excerpt}" if excerpt else "")
    return RequestFailed(f"http_{raw.status}", told, hint=hint, details=details)
