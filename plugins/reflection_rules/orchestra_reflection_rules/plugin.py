"""Hook implementations; the rules themselves are in `rules`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestra_core import hookimpl

if TYPE_CHECKING:
    from orchestra_core import Decision, RungEvidence
    from orchestra_reflection_rules.settings import Settings


@hookimpl
def orchestra_settings() -> type[Settings]:
    """Thresholds of the rules."""
    from orchestra_reflection_rules.settings import Settings

    return Settings


@hookimpl
def orchestra_reflect(evidence: RungEvidence) -> list[Decision]:
    """Failure rate, plateau and recall variance, in this order."""
    from orchestra_reflection_rules.rules import decide

    return decide(evidence)
