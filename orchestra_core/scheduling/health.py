"""Whether a target can be asked at all."""

from __future__ import annotations

from orchestra_core.errors import HealthFailed, describe_error
from orchestra_core.runner import Health, Runner


def healthy(runner: Runner) -> Health:
    """The runner's health. Raises HealthFailed when it is not well, or could not even say so."""
    health = ask(runner)
    if health.ok:
        return health
    told = f"the health check failed: {health.message or 'the target is not usable'}"
    raise HealthFailed(told, hint=health.hint, details=health.details)


def ask(runner: Runner) -> Health:
    """The runner's health; one that raises is not well."""
    try:
        return runner.health()
    except Exception as error:
        described = describe_error(error)
        return Health(False, described["msg"], described["hint"], described["details"])
