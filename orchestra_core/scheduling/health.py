"""Whether a target can be asked at all."""

from __future__ import annotations

from collections.abc import Mapping

from orchestra_core.errors import HealthFailed, describe_error
from orchestra_core.runner import Health, Runner


def healthy(runner: Runner) -> Health:
    """The runner's health. Raises HealthFailed when it is not well, or could not even say so."""
    health = ask(runner)
    if health.ok:
        return health
    told = f"the health check failed: {health.message or 'the target is not usable'}"
    raise HealthFailed(told, hint=health.hint, details=health.details)


def went_away(failures: Mapping[str, int], health: Health, run_id: str) -> HealthFailed:
    """The error of a target that was asked, failed (reason → count), and is not well either."""
    count = sum(failures.values())
    told = f"{count:,} request{'' if count == 1 else 's'} failed ({', '.join(sorted(failures))})"
    hint = f"When it is well again, orchestra resume {run_id} asks again what failed."
    return HealthFailed(
        f"{told}, and so does the health check: {health.message or 'the target is not usable'}",
        hint=f"{health.hint} {hint}".strip(),
        details={**health.details, "failures": dict(sorted(failures.items()))},
    )


def ask(runner: Runner) -> Health:
    """The runner's health; one that raises is not well."""
    try:
        return runner.health()
    except Exception as error:
        described = describe_error(error)
        return Health(False, described["msg"], described["hint"], described["details"])
