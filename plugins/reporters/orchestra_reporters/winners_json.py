"""`winners.json`: the outcome for programs. Its shape never changes; what is absent is null."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestra_core.artifacts import json_bytes
from orchestra_reporters.sections_latency import timed_arms

if TYPE_CHECKING:
    from orchestra_core.report import Report
    from orchestra_reporters.settings import ReportersSettings

_WINNER = ("config_id", "metrics", "parameters", "is_baseline")
_AB = ("diff_table", "baseline", "challenger", "test", "reason", "metric", "queries", "confidence")
_AB_MORE = ("looks", "wins", "ties", "losses", "queries_needed", "warnings")
_AB_PROPORTION = ("undecided", "detectable", "judged", "alternatives", "gained", "lost")


def render(report: Report, _settings: ReportersSettings) -> bytes:
    """UTF-8 JSON. Raises ValueError for NaN or infinity in the fingerprint."""
    return json_bytes(content(report))


def content(report: Report) -> dict[str, Any]:
    """The document; `generated_at` is the run's end, so that rendering again changes nothing."""
    decision = report.grid_decision
    return {
        "run_id": report.run_id,
        "generated_at": report.ended_at,
        "dataset": report.dataset,
        "fingerprints": _fingerprints(report),
        "winner": _winner(report),
        "ab": _ab(report),
        "front": _front(report),
        "grid_decision": decision.model_dump(mode="json") if decision else None,
    }


def _fingerprints(report: Report) -> dict[str, Any]:
    plugins = {plugin.name: plugin.version for plugin in report.plugins}
    return {**report.fingerprint, "plan_hash": report.plan_hash, "plugins": plugins}


def _front(report: Report) -> list[dict[str, Any]] | None:
    """With a second objective, everybody of whom no other is better in both; else None."""
    if report.objective.minimize is None:
        return None
    found = [report.candidate(config_id) for config_id in report.front]
    return [
        {"config_id": c.config_id, "metrics": dict(c.metrics), "parameters": dict(c.parameters)}
        for c in found
    ]


def _winner(report: Report) -> dict[str, Any]:
    known = report.winner.model_dump(mode="json") if report.winner else {}
    return {
        **{key: known.get(key) for key in _WINNER},
        "published": report.published,
        "not_published_because": report.not_published_because or None,
        "run_status": report.status,
    }


def _ab(report: Report) -> dict[str, Any]:
    known = report.verdict.model_dump(mode="json") if report.verdict else {}
    keys = (*_AB, *_AB_MORE, *_AB_PROPORTION)
    timed = {arm: probe.model_dump(mode="json") for arm, probe in timed_arms(report)}
    return {
        "verdict": known.get("kind"),
        **{key: known.get(key) for key in keys},
        "latency": {"load": report.ab_load, **timed} if timed else None,
    }
