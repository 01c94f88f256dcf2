"""Sentences that both the page and the pictures tell; all of them come from the report alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestra_core.report import Report

VERDICTS = {
    "win": "Win",
    "no_difference": "No difference",
    "regression": "Regression",
    "inconclusive": "Inconclusive",
}
STAYS = {
    "win": "The baseline stays: the challenger won, but is not the recommendation",
    "no_difference": "The baseline stays: on unseen queries nothing is measurably better",
    "regression": "The baseline stays: on unseen queries the challenger is worse",
    "inconclusive": "Undecided: the queries at hand cannot tell challenger and baseline apart",
}
WITHOUT_VERDICT = {
    "running": "The run is still going",
    "completed": "The run ended without an A/B",
    "early_stopped": "The run was stopped early, before an A/B",
    "failed": "The run failed before an A/B",
    "cancelled": "The run was cancelled before an A/B",
}


def why_no_verdict(report: Report) -> str:
    """Why there is no verdict, with the error or the decision that led to it."""
    opening = WITHOUT_VERDICT[report.status]
    if report.error is not None:
        return f"{opening}: {report.error.get('msg') or report.error.get('type', 'unknown error')}"
    decision = report.grid_decision
    if report.status == "early_stopped" and decision is not None and decision.reason:
        return f"{opening}: {decision.reason}"
    return opening


def verdict_line(report: Report) -> tuple[str, str]:
    """What the A/B says: a word or opening, and the reason (which may be empty)."""
    if report.verdict is None:
        opening, _, reason = why_no_verdict(report).partition(": ")
        return opening, reason
    return VERDICTS[report.verdict.kind], report.verdict.reason


def is_adopted(report: Report) -> bool:
    """True when the run recommends something else than the baseline."""
    return report.winner is not None and not report.winner.is_baseline
