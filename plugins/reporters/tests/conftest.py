"""Reports made by hand, of every kind a run can end with."""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest

from orchestra_core.artifacts import ArtifactFolder
from orchestra_core.experiment import Objective
from orchestra_core.report import (
    Candidate,
    Decision,
    MetricDifference,
    PluginRecord,
    Report,
    Ruling,
    Rung,
    Verdict,
    Winner,
)

BASELINE = "fiqa_para-k10-a0p0-ef64"
COLLECTIONS = ("fiqa_para", "fiqa_sent", "fiqa_win256_o64")
MakeReport = Callable[..., Report]


def _space(count: int) -> list[dict[str, Any]]:
    sizes = (10, 20, 30, *range(40, 400, 10))
    grid = product(sizes, (0.0, 0.3, 0.5, 0.7, 1.0), COLLECTIONS, ("off", 0.3), (32, 64))
    keys = ("top_k", "alpha", "collection", "mmr", "ef_search")
    return [dict(zip(keys, values, strict=True)) for values, _ in zip(grid, range(count), strict=False)]


def config_id(parameters: dict[str, Any]) -> str:
    mmr = "" if parameters["mmr"] == "off" else f"-mmr{parameters['mmr']}"
    name = f"{parameters['collection']}-k{parameters['top_k']}-a{parameters['alpha']}{mmr}"
    return f"{name}-ef{parameters['ef_search']}".replace(".", "p")


def _figures(parameters: dict[str, Any], rng: np.random.Generator, slow: float) -> tuple[float, float]:
    """Recall (the same whatever top_k is) and p95, in the way the embedded engine behaves."""
    alpha = parameters["alpha"]
    recall = 0.62 + 0.36 * alpha * (1 - alpha) + 0.025 * COLLECTIONS.index(parameters["collection"])
    recall -= 0.05 * (parameters["mmr"] != "off") + 0.09 * (alpha == 1.0)
    recall += 0.004 * (parameters["ef_search"] == 64) * (alpha > 0)
    p95 = 0.25 + 0.9 * (alpha > 0) * parameters["ef_search"] / 64 + 0.01 * parameters["top_k"]
    p95 += 0.5 * (parameters["mmr"] != "off") + float(rng.lognormal(-2.5, 0.8))
    return round(recall * 50) / 50 + 0.0013 * COLLECTIONS.index(parameters["collection"]), p95 * slow


def make_candidates(
    count: int, *, race: bool = False, slow: float = 1.0, seed: int = 1
) -> list[Candidate]:
    rng = np.random.default_rng(seed)
    made = []
    for index, parameters in enumerate(_space(count)):
        quality, p95 = _figures(parameters, rng, slow)
        early = race and index % 8 != 0
        asked = int(rng.choice((12, 25, 50))) if early else 100
        noise = rng.normal(0, 0.35 / asked**0.5) if early else 0.0
        metrics = {"recall@10": float(min(1.0, quality + noise)), "p95_ms": p95, "count": float(asked)}
        made.append(
            Candidate(
                config_id=config_id(parameters),
                parameters=parameters,
                metrics={
                    **metrics,
                    "ndcg@10": quality * 0.7,
                    "cost_per_query": 2.1e-6,
                    "failures": 0.0,
                },
                dropped_in_rung=int(rng.integers(3)) if early else None,
                drop=str(rng.choice(("certain", "forced"))) if early else None,
            )
        )
    return made


def make_baseline(slow: float = 1.0) -> Candidate:
    parameters = {"collection": "fiqa_para", "top_k": 10, "alpha": 0.0, "ef_search": 64}
    metrics = {"recall@10": 0.66, "p95_ms": 0.3 * slow, "cost_per_query": 2e-6, "count": 100.0}
    return Candidate(config_id=BASELINE, parameters=parameters, metrics=metrics)


def difference(
    metric: str, before: float, after: float, spread: float, p: float, *, unit: str = ""
) -> Any:
    delta = after - before
    low, high = delta - spread, delta + spread
    return MetricDifference(metric=metric, baseline=before, challenger=after, delta=delta, ci_low=low,
                            ci_high=high, p_value=p, unit=unit)  # fmt: skip


def make_verdict(kind: Any, challenger: str, slow: float = 1.0) -> Verdict:
    sign = {"win": 1.0, "regression": -1.0, "no_difference": 0.02, "inconclusive": 0.3}[kind]
    p = 0.0002 if kind in ("win", "regression") else 0.21
    table = (
        difference("recall@10", 0.6603, 0.6603 + 0.0521 * sign, 0.0214, p),
        difference("ndcg@10", 0.4512, 0.4512 + 0.0402 * sign, 0.0188, p),
        difference("mrr@10", 0.4211, 0.4211 + 0.0111 * sign, 0.0231, 0.34),
        difference("p50_ms", 0.21 * slow, 0.34 * slow, 0.03 * slow, 0.0004, unit="ms"),
        difference("p95_ms", 0.30 * slow, 0.62 * slow, 0.11 * slow, 0.0004, unit="ms"),
        difference("p99_ms", 0.55 * slow, 0.81 * slow, 0.42 * slow, 0.18, unit="ms"),
        difference("cost_per_query", 2e-6, 2.1e-6, 5e-8, 0.01, unit="USD"),
    )
    return Verdict(
        kind=kind,
        reason=f"recall@10 changes by {0.0521 * sign:+.4f} on 200 queries.",
        metric="recall@10",
        baseline=BASELINE,
        challenger=challenger,
        queries=200,
        looks=2,
        diff_table=table,
        wins=61,
        ties=118,
        losses=21,
        test="paired sign-flip randomisation, BCa bootstrap, Holm over metrics",
        queries_needed=900 if kind == "inconclusive" else None,
    )


def build(kind: str | None = "win", count: int = 162, *, race: bool = False, slow: float = 1.0,
          seed: int = 1, **changes: Any) -> Report:  # fmt: skip
    """A report whose verdict is `kind` (None: no A/B); `changes` replace fields."""
    candidates = changes.pop("candidates", None)
    if candidates is None:
        candidates = make_candidates(count, race=race, slow=slow, seed=seed)
    baseline = make_baseline(slow)
    full = [c for c in candidates if c.metrics.get("count") == 100.0 and c.metrics.get("recall@10")]
    best = max(full, key=lambda c: (c.metrics["recall@10"], -c.metrics["p95_ms"]), default=baseline)
    chosen = best if kind == "win" else baseline
    figures = {"recall@10": 0.7124, "p95_ms": 0.62, "count": 200.0, "cost_per_query": None}
    winner = Winner(
        config_id=chosen.config_id,
        parameters=chosen.parameters,
        metrics=figures,
        is_baseline=kind != "win",
    )
    fields: dict[str, Any] = {
        "run_id": "20251107-101500-ab12",
        "name": "fiqa-hybrid",
        "status": "completed",
        "started_at": "2025-11-07T10:15:00Z",
        "ended_at": "2025-11-07T10:16:31Z",
        "dataset": "fiqa-mini",
        "plan_hash": "9f2c41d07be1",
        "objective": Objective(subject_to={"p95_ms": 250.0}),
        "fingerprint": {
            "target": "embedded 0.1.0",
            "documents": 1200,
            "indexes": {"fiqa_para": "4be1"},
        },
        "plugins": (PluginRecord(name="fiqa", version="0.1.0", distribution="orchestra-fiqa-runner"),),
        "baseline": baseline,
        "candidates": tuple(candidates),
        "jobs": (),
        "rungs": _rungs(candidates),
        "decisions": (Decision(kind="shrink", rule="race", reason="44 are beaten", plugin="core"),),
        "rulings": (Ruling(kind="allow", rule="limits", reason="p95 is below 250 ms", plugin="core"),),
        "verdict": make_verdict(kind, best.config_id, slow) if kind else None,
        "winner": winner if kind else None,
        "published": kind == "win",
        "not_published_because": "" if kind == "win" else "the verdict is not a win",
        "evaluations": 2431,
        "evaluations_full": 16200,
        "requests": 3100,
        "cost_usd": 0.0065,
        "failures": {"timeout": 3, "HTTP 503": 7},
    }
    return Report(**{**fields, **changes})


def _rungs(candidates: list[Candidate]) -> tuple[Rung, ...]:
    ids = tuple(c.config_id for c in candidates)
    half, few = ids[: len(ids) // 2], ids[: len(ids) // 10]
    first = Rung(rung=0, queries=12, entered=len(ids), survivors=half, dropped_certain=few,
                 dropped_forced=ids[len(half) + len(few):], best=ids[0] if ids else None,
                 best_value=0.7, evaluations=12 * len(ids))  # fmt: skip
    return (first,)


@pytest.fixture
def make_report() -> MakeReport:
    """The factory: `make_report("win", 162, race=True, slow=100, dataset="x", …)`."""
    return build


@pytest.fixture
def candidates() -> Callable[..., list[Candidate]]:
    return make_candidates


@pytest.fixture
def folder(tmp_path) -> ArtifactFolder:
    return ArtifactFolder(tmp_path / "reports" / "run", tmp_path)
