"""What `pareto.png` shows: one point per measured configuration, and the part it plays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from orchestra_core.metric_names import keeps
from orchestra_core.statistics.pareto import front
from orchestra_core.telling.ranking import everyone, queries
from orchestra_core.telling.story import is_adopted

if TYPE_CHECKING:
    from orchestra_core.report import Candidate, Report

Role = Literal["winner", "baseline", "challenger"]


@dataclass(frozen=True)
class Point:
    """A configuration whose quality and latency are both known, from the grid."""

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


@dataclass(frozen=True)
class Scatter:
    """All points in plan order, and how many configurations could not become one."""

    points: tuple[Point, ...]
    left_out: int
    queries: int
    """The most queries that any of the points was asked; 0 when unknown."""

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
    Those that break a limit compete only when all others do too.
    """
    metric, all_of_them = report.objective.maximize, everyone(report)
    measured = [(c, c.metrics.get(metric), c.metrics.get("p95_ms")) for c in all_of_them]
    usable = [(c, q, ms) for c, q, ms in measured if q is not None and ms is not None and ms >= 0]
    most = max((queries(c) for c, _, _ in usable), default=0)
    keeping = [keeps(c.metrics, report.objective.subject_to) for c, _, _ in usable]
    complete = [index for index, (c, _, _) in enumerate(usable) if queries(c) == most]
    complete = [index for index in complete if keeping[index]] or complete
    best = front([(usable[index][1], usable[index][2]) for index in complete])
    on_front = {complete[index] for index in best}
    points = tuple(
        Point(c.config_id, quality, ms, queries(c) == most, index in on_front, _role(c, report), kept)
        for index, ((c, quality, ms), kept) in enumerate(zip(usable, keeping, strict=True))
    )
    return Scatter(points, len(all_of_them) - len(points), most)


def _role(candidate: Candidate, report: Report) -> Role | None:
    name = candidate.config_id
    if report.winner is not None and is_adopted(report) and name == report.winner.config_id:
        return "winner"
    if name == report.baseline.config_id:
        return "baseline"
    if report.verdict is not None and name == report.verdict.challenger:
        return "challenger"
    return None
