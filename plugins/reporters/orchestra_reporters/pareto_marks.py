"""Points, front line and legend of `pareto.png`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from orchestra_core.telling.units import with_unit
from orchestra_reporters.canvas import BLUE, FAINT, GRID, INK, MUTED, ORANGE, SOFT, VERMILION, font

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from orchestra_core.report import Report
    from orchestra_core.telling.points import Point, Role, Scatter

_ROLES: dict[Role, tuple[str, str, float]] = {
    "baseline": ("s", INK, 95),
    "challenger": ("D", VERMILION, 90),
    "winner": ("*", ORANGE, 330),
}
_NAMES: dict[Role, str] = {
    "baseline": "baseline",
    "challenger": "challenger, not adopted",
    "winner": "winner",
}
"""Marker, colour and area in square points; shapes differ too, so that colour is not needed."""


def add_marks(axes: Axes, report: Report, shown: Scatter) -> None:
    """Draw everything but the labels, the important on top."""
    _beyond_limit(axes, report)
    _front_line(axes, shown.front)
    _plain(axes, shown.points)
    for role in _ROLES:
        _special(axes, shown.with_role(role), role)
    _dots(axes, [p for p in shown.points if not p.kept], "breaks a limit", s=42, marker="x",
          color=VERMILION, linewidths=1.3, zorder=7)  # fmt: skip
    axes.legend(
        loc="lower left", bbox_to_anchor=(-0.008, 1.005), ncols=7, frameon=False, prop=font(9),
        labelcolor=SOFT, borderaxespad=0, borderpad=0.2, handletextpad=0.4, columnspacing=1.6,
    )  # fmt: skip


def _plain(axes: Axes, points: Sequence[Point]) -> None:
    front = [p for p in points if p.on_front]
    dominated = [p for p in points if not p.on_front and p.complete and not p.role]
    early = [p for p in points if not p.complete and not p.role]
    style: dict[str, Any] = {"zorder": 3, "linewidths": 0.9}
    _dots(axes, early, "fewer queries (left the race early)", s=18, facecolors="none",
          edgecolors=MUTED, alpha=0.75, **style)  # fmt: skip
    _dots(axes, dominated, "dominated", s=24, facecolors=MUTED, edgecolors="white", alpha=0.8, **style)
    _dots(axes, front, "on the Pareto front", s=52, facecolors=BLUE, edgecolors="white",
          zorder=5, linewidths=0.9)  # fmt: skip


def _dots(axes: Axes, points: Sequence[Point], label: str, **style: Any) -> None:
    if points:
        x, y = [p.latency for p in points], [p.quality for p in points]
        axes.scatter(x, y, label=label, **style)


def _special(axes: Axes, point: Point | None, role: Role) -> None:
    if point is not None:
        marker, colour, area = _ROLES[role]
        axes.scatter([point.latency], [point.quality], s=area, marker=marker, facecolors=colour,
                     edgecolors=INK if role == "winner" else "white", linewidths=0.9, zorder=6,
                     label=_NAMES[role])  # fmt: skip


def step_line(axes: Axes, front: Sequence[Point]) -> tuple[list[float], list[float]]:
    """Corners of the best quality reachable at each latency, from edge to edge of the axes."""
    x, y = [front[0].latency], [axes.get_ylim()[0]]
    for before, point in zip([front[0], *front], front, strict=False):
        x += [point.latency, point.latency]
        y += [before.quality, point.quality]
    return [*x, axes.get_xlim()[1]], [*y, front[-1].quality]


def _front_line(axes: Axes, front: Sequence[Point]) -> None:
    x, y = step_line(axes, front)
    axes.plot(x, y, color=BLUE, linewidth=1.4, alpha=0.75, zorder=2, solid_joinstyle="miter")
    axes.fill_between(x, y, axes.get_ylim()[0], color=BLUE, alpha=0.045, linewidth=0, zorder=1)


def _beyond_limit(axes: Axes, report: Report) -> None:
    limit, (low, high) = report.objective.subject_to.get("p95_ms"), axes.get_xlim()
    if limit is not None and limit < high:
        label = f"above the limit of {with_unit(limit, 'ms')}"
        style: dict[str, Any] = {"facecolor": FAINT, "edgecolor": GRID, "hatch": "///", "linewidth": 0}
        axes.axvspan(max(low, limit), high, zorder=0.5, label=label, **style)
