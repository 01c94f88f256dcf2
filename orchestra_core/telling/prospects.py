"""What an undecided verdict says of more queries: the same in terminal, winners.md and page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestra_core.telling.units import unit_of, with_unit

if TYPE_CHECKING:
    from orchestra_core.report import Verdict


def told_prospects(verdict: Verdict) -> list[str]:
    """How many queries would settle it, and the smallest difference that those at hand show."""
    # Verdicts recorded before `undecided` was are of the objective.
    metric, told = verdict.undecided or verdict.metric, []
    if verdict.queries_needed is not None:
        more = f"{max(0, verdict.queries_needed - verdict.queries):,} more"
        about = "it" if metric == verdict.metric else metric
        told.append(f"About {verdict.queries_needed:,} queries in all, {more}, would settle {about}")
    if verdict.kind == "inconclusive" and verdict.detectable is not None:
        smallest = with_unit(verdict.detectable, unit_of(metric))
        shown = f"a true difference of {smallest}"
        if metric != verdict.metric:
            shown = f"a {metric} that is in truth {smallest} off its margin"
        told.append(f"{verdict.queries:,} queries show {shown} in 4 of 5 runs")
    return told
