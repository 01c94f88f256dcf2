"""Names of metrics: the field's notation, its equivalents among ir-measures' names, those of timing."""

from __future__ import annotations

from collections.abc import Mapping

PERCENTILES = {"p50_ms": 50.0, "p95_ms": 95.0, "p99_ms": 99.0}
"""Metrics of latency, and which percentile each is."""
TIMING_METRICS = (*PERCENTILES, "cost_per_query")
"""Metrics of which less is better: limits and margins may name these."""
_IR_MEASURES = {
    "recall": "R",
    "ndcg": "nDCG",
    "mrr": "RR",
    "judged": "Judged",
    "precision": "P",
    "map": "AP",
    "success": "Success",
}
NAMES = tuple(_IR_MEASURES)
"""The field's names, without cutoffs."""
_OURS = {theirs.lower(): ours for ours, theirs in _IR_MEASURES.items()} | {"hit_rate": "success"}


def canonical(name: str) -> str:
    """The field's name of a metric: `R@10` → `recall@10`, `nDCG@10` → `ndcg@10`, `AP` → `map`.

    Names that have no equivalent, such as `Bpref`, stay as they are; space around a name goes.
    """
    base, at, cutoff = name.strip().partition("@")
    return _OURS.get(base.lower(), base.lower() if base.lower() in _IR_MEASURES else base) + at + cutoff


def keeps(figures: Mapping[str, float | None], limits: Mapping[str, float]) -> bool:
    """Whether no figure is above its limit; what was not measured breaks none."""
    found = ((figures.get(name), limit) for name, limit in limits.items())
    return all(value is None or value <= limit for value, limit in found)


def told_limits(limits: Mapping[str, float]) -> str:
    """Limits for people: `cost_per_query ≤ 0.001, p95_ms ≤ 250`."""
    return ", ".join(f"{name} ≤ {limit:g}" for name, limit in sorted(limits.items()))


def ir_measures_name(name: str) -> str:
    """The name by which ir-measures knows a canonical metric."""
    base, at, cutoff = name.partition("@")
    return _IR_MEASURES.get(base, base) + at + cutoff
