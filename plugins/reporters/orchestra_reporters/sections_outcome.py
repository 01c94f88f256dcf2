"""Sections of `winners.md` on the outcome: question, winner, A/B, publication."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestra_core.telling.prospects import told_prospects
from orchestra_core.telling.ranking import everyone
from orchestra_core.telling.units import MISSING, figure, p_value, unit_of, with_unit
from orchestra_reporters.differences import change, percent, rescaled
from orchestra_reporters.markdown import bullets, escape, table

if TYPE_CHECKING:
    from orchestra_core.report import MetricDifference, Metrics, Report, Verdict

_SUPPOSED = {
    "failed_drop": "With the {:,} failed queries left out of both arms",
    "failed_zero": "With the {:,} failed queries counted as zero",
    "unjudged_baseline": "Were the {:,} unjudged documents relevant that the baseline alone found",
    "unjudged_challenger": "Were the {:,} unjudged documents relevant that the challenger alone found",
}


def asked(report: Report) -> str:
    """What the user wanted to know, and what finding out has taken."""
    objective = report.objective
    limits = [f"{name} ≤ {with_unit(limit, unit_of(name))}" for name, limit in _limits(report)]
    rows = [
        ("Dataset", report.dataset),
        ("Objective", "; ".join([f"maximise {objective.maximize}", *_second(report), *limits])),
        ("Baseline", report.baseline.config_id),
        ("Configurations", f"{len(everyone(report)):,} with the baseline"),
        ("Status", report.status.replace("_", " ")),
        ("Started", report.started_at),
        ("Ended", report.ended_at or MISSING),
        ("Requests", f"{report.requests:,}"),
        ("Cost", with_unit(report.cost_usd, "USD")),
    ]
    return table(("", ""), rows) + _error(report)


def _second(report: Report) -> list[str]:
    return [f"minimise {report.objective.minimize}"] if report.objective.minimize else []


def _limits(report: Report) -> list[tuple[str, float]]:
    return sorted(report.objective.subject_to.items())


def _error(report: Report) -> str:
    if report.error is None:
        return ""
    kind, message = report.error.get("type", "error"), report.error.get("msg", "")
    hint = report.error.get("hint")
    lines = [f"Error `{escape(kind)}`: {escape(message)}"]
    return "\n" + bullets([*lines, f"What to do: {escape(hint)}"] if hint else lines)


def winner(report: Report) -> str:
    """The recommendation with its parameters and its figures."""
    if report.winner is None:
        return "None: the run recommends nothing.\n"
    kept = " (the baseline, unchanged)" if report.winner.is_baseline else ""
    kept = f" (not published: {escape(report.denied_because)})" if report.denied_because else kept
    parameters = table(("Parameter", "Value"), _parameters(report.winner.parameters))
    return (
        f"**{escape(report.winner.config_id)}**{kept}\n\n{parameters}"
        f"\nMeasured on {_queries(report)}:\n\n{_figures(report.winner.metrics)}"
    )


def _queries(report: Report) -> str:
    asked = report.verdict is not None and report.verdict.queries > 0
    return "the confirmation queries" if asked else "tuning queries, since there was no A/B"


def _parameters(parameters: dict[str, str | int | float | bool]) -> list[tuple[str, str]]:
    return [(name, str(value)) for name, value in parameters.items()]


def _figures(metrics: Metrics) -> str:
    rows = [(name, figure(value, unit_of(name)), unit_of(name)) for name, value in metrics.items()]
    return table(("Metric", "Figure", "Unit"), rows) if rows else "nothing was measured\n"


def ab(report: Report) -> str:
    """Challenger against baseline, with intervals."""
    verdict = report.verdict
    if verdict is None:
        return ""
    header = ("Metric", "Unit", "Baseline", "Challenger", "Difference", "Interval", "Level", "p")
    rows = [_difference(row) for row in verdict.diff_table]
    return bullets(_ab_facts(verdict)) + (f"\n{table(header, rows, right=2)}" if rows else "")


def _difference(row: MetricDifference) -> tuple[str, ...]:
    unit = unit_of(row.metric, row.unit)
    label, (shown,) = rescaled(unit, [row])
    return (
        row.metric,
        label,
        figure(shown.baseline, unit),
        figure(shown.challenger, unit),
        *change(shown, unit),
        percent(row.confidence),
        p_value(row.p_value),
    )


def moved(report: Report) -> str:
    """The queries that moved most each way, with both scores of the objective."""
    verdict = report.verdict
    if verdict is None or not (verdict.gained or verdict.lost):
        return ""
    header = ("Query", "Text", "Baseline", "Challenger")
    parts = []
    for title, queries in (("For the better", verdict.gained), ("For the worse", verdict.lost)):
        rows = [(q.query_id, q.text, figure(q.baseline, ""), figure(q.challenger, "")) for q in queries]
        body = table(header, rows, right=2) if rows else "none\n"
        parts.append(f"{title}:\n\n{body}")
    return f"By {escape(verdict.metric)}, ten each way at most.\n\n" + "\n".join(parts)


def _proportion(verdict: Verdict) -> list[str]:
    """How much was judged, and what other ways of counting would say."""
    facts = []
    if verdict.judged is not None:
        shares = figure(verdict.judged.baseline, ""), figure(verdict.judged.challenger, "")
        facts.append(
            f"{escape(verdict.judged.metric)}: {shares[0]} (baseline), {shares[1]} (challenger)"
        )
    for other in verdict.alternatives:
        delta, interval = change(other.row, "")
        affected = _SUPPOSED[other.assumption].format(other.affected)
        kind = other.kind.replace("_", " ")
        figures = f"{figure(other.row.baseline, '')} and {figure(other.row.challenger, '')}"
        facts.append(f"{affected}: {figures}, {delta} ({interval}), {kind}")
    return facts


def _ab_facts(verdict: Verdict) -> list[str]:
    if not verdict.queries:
        return [
            f"No A/B: {escape(verdict.reason)}",
            *(f"Warning: {escape(w)}" for w in verdict.warnings),
        ]
    facts = [
        f"Baseline: {escape(verdict.baseline)}",
        f"Challenger: {escape(verdict.challenger)}",
        f"Queries: {verdict.queries:,} that nobody tuned on, tested {_times(verdict.looks)}",
        f"Of these, {verdict.wins:,} better, {verdict.ties:,} equal, {verdict.losses:,} worse",
    ]
    facts += map(escape, told_prospects(verdict))
    facts += _proportion(verdict)
    if verdict.test:
        facts.append(f"Method: {escape(verdict.test)}")
    return facts + [f"Warning: {escape(warning)}" for warning in verdict.warnings]


def _times(looks: int) -> str:
    return "once" if looks == 1 else f"{looks} times"


def publication(report: Report) -> str:
    """Whether the winner was put into force, and why not."""
    if report.published:
        return "Published.\n"
    return (
        f"Not published: {escape(report.not_published_because or 'no reason was recorded')}.\n".replace(
            "..\n", ".\n"
        )
    )
