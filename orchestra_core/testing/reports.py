"""Sample reports of every kind a run can end with; reporters are tested on them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from orchestra_core.experiment import Objective
from orchestra_core.probing.figures import LatencyFigure, TimedRequests
from orchestra_core.report import (
    Candidate,
    Decision,
    JobSummary,
    MetricDifference,
    PluginRecord,
    Report,
    Ruling,
    Rung,
    Verdict,
    VerdictKind,
    Winner,
)
from orchestra_core.runner import ParameterValue

BASELINE = "k10-a0"
CHALLENGER = "k10-a0p5"
RUN_ID = "sample-20251107-101500-abc123"


def win() -> Report:
    """A published winner."""
    winner = Winner(config_id=CHALLENGER, parameters={"alpha": 0.5}, metrics=_metrics(0.72, 3.0))
    return _report(verdict=_verdict("win", 0.06), winner=winner, published=True)


def inconclusive() -> Report:
    """A finished run that proved nothing, after two looks."""
    said = {"looks": 2, "undecided": "recall@10", "queries_needed": 900, "detectable": 0.03}
    verdict = _verdict("inconclusive", 0.01).model_copy(update=said)
    return _report(verdict=verdict, winner=_kept(), not_published_because="the verdict is inconclusive")


def regression() -> Report:
    """A challenger that is worse than the baseline."""
    return _report(verdict=_verdict("regression", -0.06), winner=_kept())


def no_verdict() -> Report:
    """A race that was stopped early, so there was no A/B."""
    stop = Decision(
        kind="early_stop",
        scope="run",
        rule="failure_rate",
        reason="15 of 20 requests failed (75%, limit 30%)",
        figures={"failure_rate": 0.75},
        plugin="reflection_rules",
        stage="smoke",
    )
    return _report(
        status="early_stopped",
        decisions=(stop,),
        failures={"timeout": 12, "http_503": 3},
        not_published_because=stop.reason,
    )


def failed() -> Report:
    """A run that failed in its first stage, with text that needs escaping."""
    error = {
        "type": "health",
        "msg": 'GET /ready answered 503: <b>down</b> | 🔥, "quoted"\nand a second line',
        "hint": "Start the service.",
        "details": {"status": 503},
    }
    return _report(
        status="failed",
        error=error,
        not_published_because=error["msg"],
        candidates=tuple(_candidate(c, {}) for c in (BASELINE, CHALLENGER)),
        baseline=_candidate(BASELINE, {}),
        jobs=(),
        rungs=(),
        decisions=(),
        rulings=(),
    )


def empty() -> Report:
    """The least that a report can hold: no candidates, no jobs, nothing measured."""
    return _report(
        status="cancelled",
        ended_at=None,
        plugins=(),
        candidates=(),
        baseline=_candidate(BASELINE, {}),
        jobs=(),
        rungs=(),
        decisions=(),
        rulings=(),
    )


def unmeasured() -> Report:
    """A win by quality whose latency and cost nobody could measure: figures are None."""
    figures = {**_metrics(0.72, None), "cost_per_query": None}
    table = tuple(row for row in _table(0.06) if row.unit == "")
    return _report(
        candidates=(_candidate(CHALLENGER, figures),),
        verdict=_verdict("win", 0.06).model_copy(update={"diff_table": table}),
        winner=Winner(config_id=CHALLENGER, parameters={"alpha": 0.5}, metrics=figures),
        published=True,
    )


SAMPLES: Mapping[str, Callable[[], Report]] = {
    "win": win,
    "inconclusive": inconclusive,
    "regression": regression,
    "no_verdict": no_verdict,
    "failed": failed,
    "empty": empty,
    "unmeasured": unmeasured,
}


def _report(**changes: Any) -> Report:
    fields: dict[str, Any] = {
        "run_id": RUN_ID,
        "name": "sample",
        "status": "completed",
        "started_at": "2025-11-07T10:15:00.000Z",
        "ended_at": "2025-11-07T10:16:31.000Z",
        "dataset": "stub",
        "plan_hash": "9f2c41d07be1" * 5,
        "objective": Objective(subject_to={"p95_ms": 250.0}),
        "fingerprint": {"target": "stub 1", "corpus_sha256": "0" * 64, "documents": 200},
        "plugins": (PluginRecord(name="stub", version="1.0", distribution="orchestra-stub"),),
        "baseline": _candidate(BASELINE, _metrics(0.66, 2.0)),
        "candidates": (
            _candidate(BASELINE, _metrics(0.66, 2.0)),
            _candidate(CHALLENGER, _metrics(0.72, 3.0)),
            _candidate("k10-a1", _metrics(0.41, 3.5), dropped_in_rung=0, drop="certain"),
        ),
        "jobs": (
            _job("grid", CHALLENGER, 0.72),
            _job("ab", BASELINE, 0.66, probe=_probe(1.0, {})),
            _job("ab", CHALLENGER, 0.72, probe=_probe(1.4, {"timeout": 3})),
        ),
        "ab_load": "open, 50/s poisson",
        "rungs": (_rung(),),
        "decisions": (_shrink(),),
        "rulings": (Ruling(kind="allow", rule="subject_to", reason="kept", plugin="core"),),
        "evaluations": 300,
        "evaluations_full": 600,
        "requests": 520,
        "cost_usd": 0.0065,
        "failures": {"timeout": 3},
    }
    return Report(**{**fields, **changes})


def _metrics(recall: float, p95_ms: float | None) -> dict[str, float | None]:
    return {
        "recall@10": recall,
        "ndcg@10": recall * 0.7,
        "mrr@10": recall * 0.6,
        "judged@10": 0.1,
        "p50_ms": p95_ms / 2 if p95_ms else None,
        "p95_ms": p95_ms,
        "p99_ms": p95_ms * 1.5 if p95_ms else None,
        "cost_per_query": 2e-6,
        "count": 100.0,
        "failures": 0.0,
    }


def _candidate(config_id: str, metrics: Mapping[str, float | None], **changes: Any) -> Candidate:
    alpha = {BASELINE: 0.0, CHALLENGER: 0.5}.get(config_id, 1.0)
    parameters: dict[str, ParameterValue] = {"top_k": 10, "alpha": alpha}
    return Candidate(config_id=config_id, parameters=parameters, metrics=dict(metrics), **changes)


def _kept() -> Winner:
    metrics = _metrics(0.66, 2.0)
    return Winner(config_id=BASELINE, parameters={"alpha": 0.0}, metrics=metrics, is_baseline=True)


def _job(stage: str, config_id: str, recall: float, **changes: Any) -> JobSummary:
    job_id = f"{RUN_ID}-{stage}-{config_id}"
    return JobSummary(
        job_id=job_id,
        config_id=config_id,
        stage=stage,
        status="ok",
        metrics=_metrics(recall, 3.0),
        failures_by_reason={"timeout": 3},
        latency_breakdown_ms={"embed": 0.4, "search": 1.1},
        path=f".runs/{job_id}",
        **changes,
    )


def _probe(p50_ms: float, errors: Mapping[str, int]) -> TimedRequests:
    return TimedRequests(
        requests=200,
        answered=200 - sum(errors.values()),
        errors=dict(errors),
        latency={
            name: LatencyFigure(value=ms, ci_low=0.9 * ms, ci_high=1.2 * ms)
            for name, ms in (("p50_ms", p50_ms), ("p95_ms", 2 * p50_ms), ("p99_ms", 3 * p50_ms))
        },
        confidence=0.95,
        sent_late_ms=0.12,
    )


def _rung() -> Rung:
    return Rung(
        rung=0,
        queries=100,
        entered=3,
        survivors=(BASELINE, CHALLENGER),
        dropped_certain=("k10-a1",),
        best=CHALLENGER,
        best_value=0.72,
        evaluations=300,
    )


def _shrink() -> Decision:
    return Decision(
        kind="shrink",
        rule="recall_variance",
        reason="2 of 3 configurations go on: 1 dropped beyond doubt",
        figures={"variance": 0.001},
        survivors=(CHALLENGER, BASELINE),
        certain=("k10-a1",),
        plugin="reflection_rules",
        stage="grid",
    )


def _verdict(kind: VerdictKind, delta: float) -> Verdict:
    return Verdict(
        kind=kind,
        reason=f"recall@10 {delta:+.4f}",
        metric="recall@10",
        baseline=BASELINE,
        challenger=CHALLENGER,
        queries=200,
        diff_table=_table(delta),
        wins=40,
        ties=150,
        losses=10,
        test="paired by query",
    )


def _table(delta: float) -> tuple[MetricDifference, ...]:
    return (
        _row("recall@10", 0.66, delta, 0.0002, ""),
        _row("ndcg@10", 0.45, delta / 2, 0.001, ""),
        _row("mrr@10", 0.42, delta / 3, 0.34, ""),
        _row("p50_ms", 1.0, 0.4, None, "ms"),
        _row("p95_ms", 2.0, 1.0, None, "ms"),
        _row("p99_ms", 3.0, 1.4, None, "ms"),
        _row("cost_per_query", 2e-6, 1e-7, 0.01, "USD"),
    )


def _row(
    metric: str, baseline: float, delta: float, p_value: float | None, unit: str
) -> MetricDifference:
    return MetricDifference(
        metric=metric,
        baseline=baseline,
        challenger=baseline + delta,
        delta=delta,
        ci_low=delta - abs(delta) / 3,
        ci_high=delta + abs(delta) / 3,
        p_value=p_value,
        unit=unit,
    )
