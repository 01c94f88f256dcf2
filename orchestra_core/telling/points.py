"""What the Pareto pictures show: one point per measured configuration, and the part it plays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from orchestra_core.metric_names import keeps
from orchestra_core.statistics.pareto import front
from orchestra_core.telling.ranking import everyone, most_queries, queries, raced
from orchestra_core.telling.story import is_adopted

if TYPE_CHECKING:
    from orchestra_core.report import Report

Role = Literal["winner", "baseline", "challenger"]


@dataclass(frozen=True)
class Point:
    """A configuration whose quality and latency are both known."""

    config_id: str
    quality: float
    """The objective, 0..1."""
    latency: float
    """p95 in milliseconds."""
    complete: bool
    """False: it was asked fewer queries than the others, so its figures compare less well."""
    on_front: bool
    role: Role | None
    kept: bool = True
    """Whether it keeps the objective's limits, as far as they were measured."""
    queries: int = 0
    """How many its figures rest on; 0 when unknown."""
    raced: bool = True
    """False: a baseline outside of the space, which was asked other queries."""


@dataclass(frozen=True)
class Arm:
    """One arm of the A/B: both were asked the same queries, which nobody tuned on."""

    config_id: str
    role: Role
    quality: float
    latency: float
    queries: int


@dataclass(frozen=True)
class Scatter:
    """All points in plan order, and how many configurations could not become one."""

    points: tuple[Point, ...]
    left_out: int
    queries: int
    """The most tuning queries that any configuration was asked; 0 when unknown."""

    @property
    def front(self) -> list[Point]:
        """The points on the front, by rising latency."""
        chosen = [point for point in self.points if point.on_front]
        return sorted(chosen, key=lambda point: (point.latency, point.quality))

    def with_role(self, role: Role) -> Point | None:
        """The point that plays a part, or None."""
        return next((point for point in self.points if point.role == role), None)


def scatter(report: Report) -> Scatter:
    """The points of a report.

    Only configurations that were asked the most queries compete for the front: a mean over the first
    few queries of the race can be high by luck alone, and would otherwise push the winner off it.
    Neither does a baseline outside the space, whose figures come from other queries. Those that break a
    limit compete only when all others do too.
    """
    metric, all_of_them = report.objective.maximize, everyone(report)
    measured = [(c, c.metrics.get(metric), c.metrics.get("p95_ms")) for c in all_of_them]
    usable = [(c, q, ms) for c, q, ms in measured if q is not None and ms is not None and ms >= 0]
    most = most_queries(report)
    keeping = [keeps(c.metrics, report.objective.subject_to) for c, _, _ in usable]
    complete = [index for index, (c, _, _) in enumerate(usable) if queries(c) == most]
    complete = complete or list(range(len(usable)))  # the baseline alone has figures
    compete = [index for index in complete if keeping[index]] or complete
    best = front([(usable[index][1], usable[index][2]) for index in compete])
    on_front = {compete[index] for index in best}
    points = tuple(
        Point(
            c.config_id,
            quality,
            ms,
            index in complete,
            index in on_front,
            _role(c.config_id, report),
            kept,
            queries(c),
            raced(c, report),
        )
        for index, ((c, quality, ms), kept) in enumerate(zip(usable, keeping, strict=True))
    )
    return Scatter(points, len(all_of_them) - len(points), most)


def arms(report: Report) -> tuple[Arm, ...]:
    """Baseline and challenger as the A/B measured them; empty without an A/B or its latencies."""
    verdict = report.verdict
    if verdict is None or not verdict.queries:
        return ()
    rows = {row.metric: row for row in verdict.diff_table}
    quality, p95 = rows.get(verdict.metric), rows.get("p95_ms")
    if quality is None or p95 is None:
        return ()
    measured = (
        (verdict.baseline, quality.baseline, p95.baseline),
        (verdict.challenger, quality.challenger, p95.challenger),
    )
    return tuple(
        Arm(config_id, _role(config_id, report) or "challenger", value, ms, verdict.queries)
        for config_id, value, ms in measured
        if value is not None and ms is not None
    )


def _role(name: str, report: Report) -> Role | None:
    if report.winner is not None and is_adopted(report) and name == report.winner.config_id:
        return "winner"
    if name == report.baseline.config_id:
        return "baseline"
    if report.verdict is not None and name == report.verdict.challenger:
        return "challenger"
    return None
