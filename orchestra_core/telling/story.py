"""Sentences that both the page and the pictures tell; all of them come from the report alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestra_core.metric_names import keeps, told_limits
from orchestra_core.telling.ranking import everyone

if TYPE_CHECKING:
    from orchestra_core.report import Drop, Report

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
    "inconclusive": "Undecided: the queries at hand do not settle the A/B",
}
WITHOUT_VERDICT = {
    "running": "The run is still going",
    "completed": "The run ended without an A/B",
    "early_stopped": "The run was stopped early, before an A/B",
    "failed": "The run failed before an A/B",
    "cancelled": "The run was cancelled before an A/B",
    "interrupted": "The run's process is gone, before an A/B",
}
DROPS: dict[Drop, str] = {
    "certain": "beaten beyond doubt",
    "equivalent": "as good as one that stays, and no cheaper",
    "forced": "to keep the budget",
}
"""Why a configuration left the race."""


def why_no_verdict(report: Report, status: str = "") -> str:
    """Why there is no verdict, with the error or the decision that led to it.

    `status`: what is known beyond the report, such as `interrupted`.
    """
    opening = WITHOUT_VERDICT.get(status) or WITHOUT_VERDICT[report.status]
    if report.error is not None:
        return f"{opening}: {report.error.get('msg') or report.error.get('type', 'unknown error')}"
    decision = report.grid_decision
    if report.status == "early_stopped" and decision is not None and decision.reason:
        return f"{opening}: {decision.reason}"
    return opening


def verdict_line(report: Report, status: str = "") -> tuple[str, str]:
    """What the A/B says: a word or opening, and the reason (which may be empty).

    `status` as in `why_no_verdict`.
    """
    if report.verdict is None:
        opening, _, reason = why_no_verdict(report, status).partition(": ")
        return opening, reason
    opening = VERDICTS[report.verdict.kind]
    if report.denied_because:
        return f"{opening}, but denied: {report.denied_because}", report.verdict.reason
    return opening, report.verdict.reason


def nothing_better(report: Report) -> str:
    """Whom the baseline was the best of, when the grid led to none but it."""
    limits = report.objective.subject_to
    kept = [keeps(candidate.metrics, limits) for candidate in everyone(report)]
    if all(kept):
        return "nothing better than the baseline"
    if not any(kept):
        return f"nothing better than the baseline, and nobody keeps {told_limits(limits)}"
    among = f"the {sum(kept)} of {len(kept)} that keep {told_limits(limits)}"
    return f"nothing better than the baseline among {among}"


def is_adopted(report: Report) -> bool:
    """True when the run recommends something else than the baseline, and no guard denied it."""
    chosen = report.winner is not None and not report.winner.is_baseline
    return chosen and not report.denied_because
