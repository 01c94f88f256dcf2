"""One panel of `ab_diff.png`: the differences of all metrics that share a unit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from matplotlib.ticker import FuncFormatter, MaxNLocator

from orchestra_core.telling.units import higher_is_better
from orchestra_reporters.ab_table import add_table
from orchestra_reporters.canvas import (
    BLUE,
    FAMILY,
    GREEN,
    GRID,
    INK,
    SOFT,
    VERMILION,
    panel_style,
    printable,
    shortened,
    write,
)
from orchestra_reporters.differences import known, rescaled

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from orchestra_core.report import MetricDifference


def draw_panel(axes: Axes, unit: str, rows: Sequence[MetricDifference], level: str) -> None:
    """Rows from top to bottom, zero marked, the better side shaded, figures to the right."""
    label, shown = rescaled(unit, rows)
    panel_style(axes)
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_xlim(_limits(shown))
    _background(axes, unit)
    for index, row in enumerate(shown):
        _interval(axes, index, row, rising=higher_is_better(unit))
    _ticks(axes, shown)
    better = "higher is better" if higher_is_better(unit) else "lower is better"
    where = {"transform": axes.get_yaxis_transform(), "va": "center", "color": SOFT}
    write(axes, 0, -0.85, f"difference, {label} ({better}, shaded)", 9, **where)
    _margins(axes, shown)
    add_table(axes, unit, shown, level)


def _limits(rows: Sequence[MetricDifference]) -> tuple[float, float]:
    """Zero and all intervals, with some air; never an empty range."""
    values = [value for row in rows for value in known(row, ("delta", "ci_low", "ci_high"))]
    low, high = min([0.0, *values]), max([0.0, *values])
    air = 0.14 * (high - low) or 1.0
    return low - air, high + air


def _background(axes: Axes, unit: str) -> None:
    low, high = axes.get_xlim()
    better = (0, high) if higher_is_better(unit) else (low, 0)
    axes.axvspan(*better, color=GREEN, alpha=0.08, linewidth=0, zorder=0)
    axes.grid(axis="x", color=GRID, linewidth=0.7)
    axes.axvline(0, color=INK, linewidth=1.1, zorder=2)


def _interval(axes: Axes, y: int, row: MetricDifference, *, rising: bool) -> None:
    if row.delta is None:
        return
    colour = _colour(row, rising)
    if row.ci_low is not None and row.ci_high is not None:
        ends, heights = [row.ci_low, row.ci_high], [y, y]
        axes.plot(ends, heights, color=colour, linewidth=2.4, solid_capstyle="butt", zorder=3)
        axes.plot(ends, heights, "|", color=colour, markersize=9, markeredgewidth=1.6, zorder=3)
    dot = axes.plot([row.delta], [y], "o", color=colour, markersize=7.5, zorder=4)[0]
    dot.set_markeredgecolor("white")


def _margins(axes: Axes, rows: Sequence[MetricDifference]) -> None:
    """A dotted mark where a row's margin ends, if that lies within the picture."""
    for index, row in enumerate(rows):
        if row.margin is not None and row.margin <= axes.get_xlim()[1]:
            heights = [index - 0.4, index + 0.4]
            axes.plot([row.margin] * 2, heights, ":", color=INK, linewidth=1.4, zorder=2)


def _colour(row: MetricDifference, rising: bool) -> str:
    """Blue where all of the interval is better, vermilion where all of it is worse, else grey."""
    if row.ci_low is None or row.ci_high is None or row.ci_low <= 0 <= row.ci_high:
        return SOFT
    return BLUE if (row.ci_low > 0) == rising else VERMILION


def _ticks(axes: Axes, rows: Sequence[MetricDifference]) -> None:
    names = [printable(shortened(row.metric, 20)) for row in rows]
    style: dict[str, Any] = {"fontfamily": FAMILY, "fontsize": 9.5, "color": INK, "parse_math": False}
    axes.set_yticks(range(len(rows)), labels=names, **style)
    axes.tick_params(axis="y", length=0, pad=8)
    axes.xaxis.set_major_locator(MaxNLocator(6))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:+.6g}" if value else "0"))
