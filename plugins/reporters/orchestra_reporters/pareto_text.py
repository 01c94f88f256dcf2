"""Title, subtitle and notes of `pareto.png`: what the picture shows, in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestra_core.metric_names import told_limits
from orchestra_core.telling.story import (
    STAYS,
    VERDICTS,
    WITHOUT_VERDICT,
    is_adopted,
    nothing_better,
    why_no_verdict,
)
from orchestra_core.telling.units import figure, with_unit
from orchestra_reporters.canvas import sentence

if TYPE_CHECKING:
    from orchestra_core.report import Report, Verdict
    from orchestra_core.telling.points import Scatter


def title(report: Report, shown: Scatter) -> str:
    """The finding: for a winner in the A/B's own figures."""
    if report.verdict is not None and is_adopted(report):
        return _change(report.verdict)
    if report.verdict is not None and not report.verdict.queries:
        return f"The baseline stays: tuning queries showed {nothing_better(report)}"
    if report.denied_because:
        return f"Denied: {report.denied_because}; the challenger won the A/B and is not published"
    if report.verdict is not None:
        return STAYS[report.verdict.kind]
    if not shown.points:
        return WITHOUT_VERDICT[report.status]
    return f"{WITHOUT_VERDICT[report.status]}; {_best(report, shown)}"


def _change(verdict: Verdict) -> str:
    """The A/B's figures: those of the points come from the queries that the winner was chosen on."""
    rows = {row.metric: row for row in verdict.diff_table}
    told = []
    if (quality := rows.get(verdict.metric)) and quality.baseline is not None:
        told.append(f"{verdict.metric} from {quality.baseline:.3f} to {quality.challenger or 0.0:.3f}")
    if (p95 := rows.get("p95_ms")) and p95.baseline is not None and p95.challenger is not None:
        told.append(f"p95 from {with_unit(p95.baseline, 'ms')} to {with_unit(p95.challenger, 'ms')}")
    return f"A/B: the winner takes {', '.join(told) or 'the place of the baseline'}"


def _best(report: Report, shown: Scatter) -> str:
    best = max(point.quality for point in shown.points if point.complete)
    return f"the best so far has {report.objective.maximize} {figure(best, '')}"


def subtitle(report: Report, shown: Scatter) -> str:
    """What was measured on what, and what the A/B made of it."""
    count = sum(point.raced for point in shown.points)
    few = "" if all(point.complete for point in shown.points) else "up to "
    asked = f" on {few}{shown.queries:,} tuning queries" if shown.queries else ""
    asked_more = report.verdict is not None and report.verdict.queries > 0
    outcome = VERDICTS[report.verdict.kind].lower() if report.verdict and asked_more else "none"
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
    if any(not point.kept for point in shown.points):
        limits = told_limits(report.objective.subject_to)
        lines.append(f"Crossed out: breaks {limits}; not on the front while others keep it.")
    if any(not point.complete and point.kept for point in shown.points):
        lines.append(
            f"The front is drawn among those asked all {shown.queries:,} queries;"
            " hollow points may lie above it by luck."
        )
    if shown.points and labelled < len(shown.points):
        lines.append(f"{labelled} of {len(shown.points):,} points are named.")
    return sentence(" ".join(lines), 230)
