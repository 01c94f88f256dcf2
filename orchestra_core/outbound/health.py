"""Whether a service's health endpoints answer, asked before any query is sent."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from orchestra_core.errors import OrchestraError, RequestFailed
from orchestra_core.outbound.door import Door
from orchestra_core.runner import Health

_HINTS = {
    "http_404": "Name the paths that the service has in runner.health_endpoints, or [] for none.",
    "http_401": "Set runner.headers.Authorization, by ${env:…}.",
    "http_503": "The service runs and says that it is not ready; wait, or look at its log.",
}


def check_endpoints(door: Door, endpoints: Iterable[str]) -> Health:
    """Ask every endpoint with GET; well when all answer 2xx. Details: endpoint → what it said."""
    details: dict[str, Any] = {}
    failed: list[tuple[str, OrchestraError]] = []
    for endpoint in endpoints:
        try:
            reply = door.send("GET", endpoint)
        except OrchestraError as error:
            details[endpoint] = error.as_payload()
            failed.append((endpoint, error))
        else:
            details[endpoint] = {"status": reply.status, "latency_ms": round(reply.latency_ms, 3)}
    if not failed:
        return Health(ok=True, message=_well(door, len(details)), details=details)
    endpoint, first = failed[0]
    reason = first.reason if isinstance(first, RequestFailed) else first.code
    hint = _HINTS.get(reason, first.hint)
    return Health(ok=False, message=f"GET {endpoint}: {first.message}", hint=hint, details=details)


def _well(door: Door, count: int) -> str:
    asked = f"{count} health endpoint{'' if count == 1 else 's'}" if count else "no health endpoint"
    return f"{door.base.origin if door.base else 'the target'}: {asked} asked, all well"
