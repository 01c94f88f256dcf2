"""Sections of `winners.md` on the evidence: race, candidates, decisions, failures, provenance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from orchestra_core.telling.ranking import everyone, queries, raced, ranked
from orchestra_core.telling.units import MISSING, figure, unit_of, with_unit
from orchestra_reporters.failures_csv import top_failures
from orchestra_reporters.markdown import bullets, escape, table
from orchestra_reporters.writing import artifact_names

if TYPE_CHECKING:
    from orchestra_core.report import Candidate, Decision, Report, Ruling, Rung
    from orchestra_reporters.settings import ReportersSettings

_DROPS = ("Certain drops", "Equivalent drops", "Forced drops")
_RACE = ("Rung", "Queries", "Entered", "Survivors", *_DROPS, "Evaluations")


def race(report: Report) -> str:
    """Who was dropped when, and what the race saved."""
    if not report.rungs:
        return ""
    rows = [_rung(rung, report.objective.maximize) for rung in report.rungs]
    header = (*_RACE, f"Best {report.objective.maximize}", "Best configuration")
    return table(header, rows) + _spent(report)


def _rung(rung: Rung, metric: str) -> tuple[object, ...]:
    drops = (rung.dropped_certain, rung.dropped_equivalent, rung.dropped_forced)
    counts = (len(rung.survivors), *map(len, drops))
    best = figure(rung.best_value, unit_of(metric))
    return (
        *(rung.rung + 1, rung.queries, rung.entered, *counts, f"{rung.evaluations:,}"),
        *(best, rung.best or MISSING),
    )


def _spent(report: Report) -> str:
    spent, full = report.evaluations, report.evaluations_full
    if not full:
        return ""
    share = f"{100 * spent / full:.1f} % of the {full:,} that the full grid would have taken"
    return (
        f"\nThe race took {spent:,} evaluations, {share}. Certain drops are settled by the evidence;"
        " equivalent ones are as good as a cheaper one that stayed; forced drops only kept the race"
        f" within its budget.{_regret(report)}{_infeasible(report)}\n"
    )


def _infeasible(report: Report) -> str:
    limits = sorted(report.objective.subject_to.items())
    gone = list(dict.fromkeys(c for decision in report.decisions for c in decision.infeasible))
    if not gone or not limits:
        return ""
    told = " and ".join(f"{name} ≤ {with_unit(limit, unit_of(name))}" for name, limit in limits)
    listed = ", ".join(map(escape, gone[:10])) + (", …" if len(gone) > 10 else "")
    return f" Of the certain drops, {len(gone)} cannot keep {told}: {listed}."


def _regret(report: Report) -> str:
    if report.regret_bound is None:
        return ""
    bound = figure(report.regret_bound, unit_of(report.objective.maximize))
    return (
        f" The best of those is better than the leader by at most about {bound}: so says a model of "
        "the whole field, with a confidence of 1 − `stages.grid.delta`."
    )


def front(report: Report) -> str:
    """With a second objective: everybody of whom no other is better in both."""
    metric, minimize = report.objective.maximize, report.objective.minimize
    if minimize is None or not report.front:
        return ""
    rows = [_on_front(report.candidate(config_id), report, minimize) for config_id in report.front]
    challenger = {
        "quality": f"the one with the highest {metric}",
        "knee": f"the knee, past which {metric} costs more than before",
    }[report.objective.select]
    note = (
        f"\nWhoever reached the end of the race and is not beaten in both {metric} and {minimize},"
        f" as measured on tuning queries. The A/B tries {challenger}; the others are here to choose"
        " from.\n"
    )
    return table(("Configuration", metric, minimize, "Unit", "Queries"), rows) + note


def _on_front(candidate: Candidate, report: Report, minimize: str) -> tuple[object, ...]:
    unit, metrics = unit_of(minimize), candidate.metrics
    return (
        candidate.config_id,
        figure(metrics.get(report.objective.maximize), ""),
        figure(metrics.get(minimize), unit),
        unit,
        queries(candidate) or MISSING,
    )


def candidates(report: Report, limit: int) -> str:
    """The best candidates; the baseline always, as a row of its own if it is not among them."""
    order = ranked(report)
    chosen = order[:limit]
    chosen += [c for c in order[limit:] if c.config_id == report.baseline.config_id]
    metric = report.objective.maximize
    header = ("Configuration", metric, "p95, ms", "USD per 1,000 queries", "Queries", "Race")
    rows = [_candidate(candidate, report) for candidate in chosen]
    note = f"\n{len(chosen)} of {len(everyone(report))}; those asked the most queries come first"
    note += ".\n" if all(raced(c, report) for c in order) else ", a baseline outside the space last.\n"
    return table(header, rows) + note


def _candidate(candidate: Candidate, report: Report) -> tuple[object, ...]:
    metrics, cost = candidate.metrics, candidate.metrics.get("cost_per_query")
    role = " (baseline)" if candidate.config_id == report.baseline.config_id else ""
    return (
        f"{candidate.config_id}{role}",
        figure(metrics.get(report.objective.maximize), ""),
        figure(metrics.get("p95_ms"), "ms"),
        figure(None if cost is None else 1000 * cost, "USD"),
        queries(candidate) or MISSING,
        _fate(candidate, report),
    )


def _fate(candidate: Candidate, report: Report) -> str:
    if not raced(candidate, report):
        return "outside the space: asked other queries"
    if not candidate.metrics:
        return "never asked"
    if candidate.dropped_in_rung is None:
        return "reached the end"
    return f"dropped in rung {candidate.dropped_in_rung + 1}, {candidate.drop or 'unknown why'}"


def decisions(report: Report) -> str:
    """What reflection and the guards said, in order."""
    said: list[Decision | Ruling] = [*report.decisions, *report.rulings]
    rows = [
        (f"{item.plugin}: {item.rule}".strip(": "), item.kind.replace("_", " "), item.reason)
        for item in said
    ]
    return table(("Rule", "Says", "Because"), rows) if rows else ""


def failures(report: Report, limit: int) -> str:
    """The most frequent reasons of failed requests."""
    if not report.failures:
        return "No request failed.\n"
    total = sum(report.failures.values())
    note = f"\n{total:,} failed requests in all, for {len(report.failures)} reason(s).\n"
    return table(("Reason", "Requests"), top_failures(report, limit)) + note


def documents(report: Report) -> str:
    """Whether target and dataset speak of the same documents."""
    if report.ids is None or report.ids.share is None:
        return ""
    sides = ("Target", report.ids.retrieved), ("Dataset", report.ids.dataset)
    rows = [(side, ", ".join(examples)) for side, examples in sides]
    share = f"{100 * report.ids.share:.4g} % of the ids that smoke retrieved are in the corpus."
    return f"{share}\n\n{table(('Side', 'Examples'), rows)}"


def warnings(report: Report) -> str:
    """What the core wants people to know."""
    return bullets(escape(warning) for warning in report.warnings)


def provenance(report: Report) -> str:
    """Who took part, and exactly what was measured."""
    plugins = [(p.name, p.version, p.distribution) for p in report.plugins]
    told = {key: value for key, value in report.fingerprint.items() if key != "plugins"}
    facts = _flat({"plan_hash": report.plan_hash, **told})
    listed = table(("Plugin", "Version", "Distribution"), plugins) + "\n" if plugins else ""
    return listed + table(("Fingerprint", "Value"), facts)


def _flat(values: Mapping[str, Any], prefix: str = "") -> list[tuple[str, object]]:
    flat: list[tuple[str, object]] = []
    for key, value in values.items():
        nested = isinstance(value, Mapping)
        flat += _flat(value, f"{prefix}{key}.") if nested else [(f"{prefix}{key}", value)]
    return flat


def files(settings: ReportersSettings) -> str:
    """The artifacts beside this page."""
    return bullets(f"[{name}]({name})" for name in artifact_names(settings) if name != "winners.md")
