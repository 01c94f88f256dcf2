"""Which candidates may be compared with each other, and which of them come first."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestra_core.report import Candidate, Report


def everyone(report: Report) -> tuple[Candidate, ...]:
    """All candidates in plan order, then the baseline unless it is one of them.

    Where the space holds the baseline too, the one of the two that was asked more queries stands.
    """
    twins = {c.config_id: c for c in (report.baseline, *report.candidates)}
    twin = twins[report.baseline.config_id]
    twins[twin.config_id] = max(twin, report.baseline, key=queries)
    ids = dict.fromkeys(c.config_id for c in (*report.candidates, report.baseline))
    return tuple(twins[config_id] for config_id in ids)


def queries(candidate: Candidate) -> int:
    """How many queries the candidate's figures rest on; 0 when unknown."""
    return int(candidate.metrics.get("count") or 0)


def raced(candidate: Candidate, report: Report) -> bool:
    """Whether it is of the space; else it is a baseline that was asked other queries."""
    return any(candidate.config_id == other.config_id for other in report.candidates)


def most_queries(report: Report) -> int:
    """The most tuning queries that any configuration was asked; 0 when unknown.

    A baseline that is not in the space has its figures from other queries, which do not count.
    """
    return max(map(queries, report.candidates), default=0)


def ranked(report: Report) -> list[Candidate]:
    """Best first: most queries asked, highest objective, lowest p95, lowest cost, plan order.

    A mean over the first few queries is no match for one over all of them, so how far a candidate
    came in the race goes before what it scored. A baseline outside the space was asked other queries:
    it comes last.
    """
    metric, most = report.objective.maximize, most_queries(report)

    def key(candidate: Candidate) -> tuple[float, float, float, float]:
        quality = _or(candidate.metrics.get(metric), float("-inf"))
        p95 = _or(candidate.metrics.get("p95_ms"), float("inf"))
        cost = _or(candidate.metrics.get("cost_per_query"), float("inf"))
        asked = queries(candidate)
        return (-asked if asked <= most else 0, -quality, p95, cost)

    return sorted(everyone(report), key=key)


def _or(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value
