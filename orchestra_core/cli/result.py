"""How a run's outcome is told at the end of `orchestra run`, and by `orchestra status`."""

from __future__ import annotations

from typing import Any

import click

from orchestra_core.artifacts import Home
from orchestra_core.cli.output import figure, print_table
from orchestra_core.cli.running import show_error
from orchestra_core.outcome import Outcome
from orchestra_core.report import MetricDifference, Report, Verdict
from orchestra_core.telling.prospects import told_prospects

_COLOURS = {"win": "green", "no_difference": "cyan", "regression": "red", "inconclusive": "yellow"}


def as_content(outcome: Outcome) -> dict[str, Any]:
    """The outcome as JSON values."""
    report = outcome.report
    return {
        **summary_of(report),
        "exit_code": outcome.exit_code,
        "artifacts": list(outcome.artifacts),
    }


def summary_of(report: Report) -> dict[str, Any]:
    """The heart of a report as JSON values."""
    kept = {"run_id", "name", "status", "started_at", "ended_at", "dataset", "plan_hash", "verdict"}
    kept |= {"winner", "published", "not_published_because", "evaluations", "evaluations_full"}
    kept |= {"front", "regret_bound"}
    kept |= {"requests", "cost_usd", "failures", "warnings", "error"}
    return report.model_dump(mode="json", include=kept)


def show_outcome(outcome: Outcome, home: Home) -> None:
    """Verdict, table and paths on stdout; an error on stderr."""
    show_report(outcome.report)
    if outcome.artifacts:
        click.echo(f"Artifacts in {home.root}:")
        for path in outcome.artifacts:
            click.echo(f"  {path}")
    if outcome.report.published:
        click.echo(f"  {home.relative(home.winners)}")
    if outcome.error is not None:
        show_error(outcome.error)


def show_report(report: Report) -> None:
    """The report in a few lines and one table."""
    head = f"{report.name} · {report.run_id} · {report.status.replace('_', ' ')}"
    click.echo(click.style(head, bold=True))
    if report.evaluations:
        share = report.evaluations / max(1, report.evaluations_full)
        click.echo(
            f"Grid: {report.evaluations:,} of {report.evaluations_full:,} evaluations ({share:.0%}) "
            f"over {len(report.candidates)} configurations"
        )
    _show_front(report)
    if report.denied_because:
        click.echo(f"{click.style('DENIED', fg='red', bold=True)}: {report.denied_because}")
    if report.verdict is not None:
        show_verdict(report.verdict)
        _show_timed(report, report.verdict)
        _show_publication(report)
    cautions = [ruling.reason for ruling in report.rulings if ruling.kind == "warn"]
    for warning in (*report.warnings, *dict.fromkeys(cautions)):
        click.echo(f"{click.style('Note:', fg='yellow')} {warning}")


def _show_front(report: Report) -> None:
    """With a second objective: who is on the front, on tuning queries."""
    objective = report.objective
    if objective.minimize is None or not report.front:
        return
    unit = "USD" if objective.minimize == "cost_per_query" else "ms"
    rows = [
        [
            config_id,
            figure(metrics.get(objective.maximize), ""),
            figure(metrics.get(objective.minimize), unit),
        ]
        for config_id in report.front
        for metrics in (report.candidate(config_id).metrics,)
    ]
    print_table(["front", f"{objective.maximize}>", f"{objective.minimize}>"], rows)


def show_verdict(verdict: Verdict) -> None:
    """The verdict in a sentence, its table, and what it rests on."""
    word = click.style(verdict.kind.replace("_", " ").upper(), fg=_COLOURS[verdict.kind], bold=True)
    click.echo(f"Verdict: {word}: {verdict.reason}")
    if verdict.diff_table:
        share = ">99.9%" if verdict.confidence > 0.999 else f"{100 * verdict.confidence:.3g}%"
        headers = ["metric", "baseline>", "challenger>", "difference>", "interval>", "p>"]
        print_table(headers, [_cells(row) for row in verdict.diff_table])
        click.echo(f"  baseline    {verdict.baseline}\n  challenger  {verdict.challenger}")
        click.echo(
            f"  {verdict.queries} queries: {verdict.wins} won, {verdict.ties} tied, "
            f"{verdict.losses} lost; {share} intervals"
        )
    for told in told_prospects(verdict):
        click.echo(f"  {told}.")


def _show_timed(report: Report, verdict: Verdict) -> None:
    """The load that the latencies hold for, and what was not answered under it."""
    told = []
    for arm, config_id in (("baseline", verdict.baseline), ("challenger", verdict.challenger)):
        job = report.job("ab", config_id)
        if job is not None and job.probe is not None:
            errors = ", ".join(f"{reason} {count}" for reason, count in job.probe.errors.items())
            answered = f"{job.probe.answered:,} of {job.probe.requests:,}"
            told.append(f"{arm} {answered} answered" + (f" ({errors})" if errors else ""))
    if told:
        click.echo(f"  Timed {report.ab_load}: {'; '.join(told)}")


def _show_publication(report: Report) -> None:
    if report.published and report.winner:
        click.echo(f"Published: {click.style(report.winner.config_id, fg='green', bold=True)}")
    elif report.not_published_because:
        click.echo(f"Nothing was published: {report.not_published_because}")


def _cells(row: MetricDifference) -> list[str]:
    p_value = "" if row.p_value is None else f"{row.p_value:.4f}"
    return [
        row.metric,
        figure(row.baseline, row.unit),
        figure(row.challenger, row.unit),
        _signed(row.delta, row.unit),
        f"{_signed(row.ci_low, row.unit)} … {_signed(row.ci_high, row.unit)}",
        p_value,
    ]


def _signed(value: float | None, unit: str) -> str:
    text = figure(value, unit)
    return text if value is None or value < 0 else f"+{text}"
