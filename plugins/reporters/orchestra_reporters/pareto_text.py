"""Title, subtitle and notes of `pareto.png`: what the picture shows, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestra_reporters.canvas import sentence
from orchestra_reporters.story import STAYS, VERDICTS, WITHOUT_VERDICT, why_no_verdict
from orchestra_reporters.units import figure, with_unit

if TYPE_CHECKING:
    from orchestra_core.report import Report
    from orchestra_reporters.points import Point, Scatter


def title(report: Report, shown: Scatter) -> str:
    """The finding, in the figures that the picture shows."""
    winner, baseline = shown.with_role("winner"), shown.with_role("baseline")
    if winner and baseline:
        return _change(report.objective.maximize, baseline, winner)
    if report.verdict is not None:
        return STAYS[report.verdict.kind]
    if not shown.points:
        return WITHOUT_VERDICT[report.status]
    return f"{WITHOUT_VERDICT[report.status]}; {_best(report, shown)}"


def _change(metric: str, baseline: Point, winner: Point) -> str:
    quality = f"{metric} from {baseline.quality:.3f} to {winner.quality:.3f}"
    before, after = with_unit(baseline.latency, "ms"), with_unit(winner.latency, "ms")
    return f"The winner takes {quality}, p95 latency from {before} to {after}"


def _best(report: Report, shown: Scatter) -> str:
    best = max(point.quality for point in shown.points if point.complete)
    return f"the best so far has {report.objective.maximize} {figure(best, '')}"


def subtitle(report: Report, shown: Scatter) -> str:
    """What was measured on what, and what the A/B made of it."""
    count = len(shown.points)
    few = "" if all(point.complete for point in shown.points) else "up to "
    asked = f" on {few}{shown.queries:,} tuning queries" if shown.queries else ""
    outcome = VERDICTS[report.verdict.kind].lower() if report.verdict else "none"
    parts = [
        f"{count:,} configuration{'' if count == 1 else 's'} measured{asked}",
        f"dataset {report.dataset}",
        f"verdict of the A/B on other queries: {outcome}",
    ]
    return sentence(" · ".join(parts), 240)


def nothing(report: Report, shown: Scatter) -> str:
    """Why there is no point to draw."""
    reason = sentence(why_no_verdict(report), 110)
    missing = f"{shown.left_out:,} configuration{'' if shown.left_out == 1 else 's'} without figures"
    needed = f"both {report.objective.maximize} and a p95 latency"
    return f"Nothing to plot: no configuration has {needed}.\n{reason}.\n{missing}."


def notes(report: Report, shown: Scatter, labelled: int) -> str:
    """The small print: what was left out, and how to read the rest."""
    lines = [f"Run {report.run_id}."]
    if shown.left_out and shown.points:
        lines.append(f"{shown.left_out:,} left out: no quality or no latency was measured.")
    if any(not point.complete for point in shown.points):
        lines.append(
            f"The front is drawn among those asked all {shown.queries:,} queries;"
            " hollow points may lie above it by luck."
        )
    if shown.points and labelled < len(shown.points):
        lines.append(f"{labelled} of {len(shown.points):,} points are named.")
    return sentence(" ".join(lines), 230)
