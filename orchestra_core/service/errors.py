"""What only the service refuses.

ServiceError            code                status
├── Forbidden           forbidden           403
├── InvalidQuery        invalid             422
├── InvalidPlace        last_event_id       400
├── QueueFull           queue_full          429
├── Busy                busy                429
├── KeyReused           key_reused          422
├── RunNotBegun         not_begun           409
├── RunUnreadable       unreadable          409
├── RunNotActive        not_active          409
├── RunNotResumable     not_resumable       409
├── ArtifactNotFound    artifact_not_found  404
├── DeskFailed          desk_failed         503
└── HomeNotWritable     home                503
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from orchestra_core.errors import UsageError
from orchestra_core.journal.continuity import damage_told


class ServiceError(UsageError):
    """Base class; each has the HTTP status that it is answered with."""

    status: ClassVar[int] = 409

    def __init__(
        self,
        message: str,
        *,
        hint: str = "",
        details: Mapping[str, Any] | None = None,
        retry_after: int | None = None,
    ) -> None:
        super().__init__(message, hint=hint, details=details)
        self.retry_after = retry_after
        """Seconds after which the same request may succeed."""


class Forbidden(ServiceError):
    """A request wants to set what is the service's own to set."""

    code = "forbidden"
    status = 403


class InvalidQuery(ServiceError):
    """A query parameter that the address does not know, or that stands twice."""

    code = "invalid"
    status = 422


class InvalidPlace(ServiceError):
    """A stream was asked to go on after an event that there is not."""

    code = "last_event_id"
    status = 400


class QueueFull(ServiceError):
    """As many runs wait as may wait."""

    code = "queue_full"
    status = 429


class Busy(ServiceError):
    """Too many of one kind of request at once."""

    code = "busy"
    status = 429


class KeyReused(ServiceError):
    """An Idempotency-Key came with another body before."""

    code = "key_reused"
    status = 422


class RunNotBegun(ServiceError):
    """The run has no journal yet."""

    code = "not_begun"


class RunUnreadable(ServiceError):
    """The journal is damaged, or holds what this version of Orchestra cannot read."""

    code = "unreadable"


class RunNotActive(ServiceError):
    """There is nothing to cancel."""

    code = "not_active"


class RunNotResumable(ServiceError):
    """The run goes on, or has come to its end."""

    code = "not_resumable"


class ArtifactNotFound(ServiceError):
    """The run has no such file."""

    code = "artifact_not_found"
    status = 404


class DeskFailed(ServiceError):
    """The process that makes plans did not answer."""

    code = "desk_failed"
    status = 503


class HomeNotWritable(ServiceError):
    """The home folder is read-only, or somebody else's."""

    code = "home"
    status = 503


def unreadable(run_id: str) -> RunUnreadable:
    """What is told of such a journal."""
    return RunUnreadable(
        f"the journal of '{run_id}' holds what this version cannot read",
        hint="Another version of Orchestra wrote it; `orchestra events` prints it as it stands.",
    )


def damaged(run_id: str, lost: int) -> RunUnreadable:
    """What is told of a journal whose event of that number is lost."""
    told, hint = damage_told(run_id, lost)
    return RunUnreadable(told, hint=hint, details={"lost": lost})
