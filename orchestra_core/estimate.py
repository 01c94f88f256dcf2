"""How long a plan will probably take, said with what the guess is based on."""

from __future__ import annotations

from dataclasses import dataclass

from orchestra_core.journal.memory import entries
from orchestra_core.plan import Plan
from orchestra_core.session import Session
from orchestra_core.telling.units import duration


@dataclass(frozen=True, slots=True)
class Estimate:
    """`seconds` of wall time, and the basis in words."""

    seconds: float
    basis: str
    wall: float
    """Seconds that the run has, by `limits.wall`."""

    @property
    def warning(self) -> str:
        """Where the time will hardly suffice; empty where it will."""
        if self.seconds <= self.wall:
            return ""
        return f"limits.wall ends the run after {duration(self.wall)}: raise it, or ask for less"


def estimate(session: Session, plan: Plan) -> Estimate:
    """From the last run here with the same runner and backend, else from the runner's own guess.

    A rate limit sets the least that network backends take.
    """
    rate, wall = session.experiment.runner.rate_limit_per_sec, plan.experiment.limits.wall
    least = plan.requests / rate if session.description.rate_limited and rate else 0.0
    measured = _measured(session)
    if measured is not None:
        return Estimate(max(least, plan.requests * measured), "as the last run here", wall)
    guess = plan.requests * session.description.seconds_per_request
    if least > guess:
        return Estimate(least, f"the rate limit of {rate:g} requests/s", wall)
    each = f"{session.description.seconds_per_request * 1000:g} ms per request assumed"
    return Estimate(guess, each, wall)


def _measured(session: Session) -> float | None:
    backend = session.experiment.runner.backend or session.description.backends[0]
    for entry in reversed(entries(session.home)):
        same = entry["runner"] == session.runner_plugin and entry["backend"] == backend
        if same and entry.get("seconds_per_request"):
            return float(entry["seconds_per_request"])
    return None
