"""The figures beside a panel of `ab_diff.png`, in columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from orchestra_core.telling.units import figure, p_value
from orchestra_reporters.canvas import INK, MUTED, write
from orchestra_reporters.differences import change

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from orchestra_core.report import MetricDifference

_COLUMNS = (0.72, 1.50, 2.28, 3.78, 4.35)
"""Right edges of the columns, in inches from the right edge of the axes."""


def add_table(axes: Axes, unit: str, rows: Sequence[MetricDifference], level: str) -> None:
    """One line per row of the panel, under a line of headings; figures are in the panel's unit."""
    _line(axes, -0.85, ("baseline", "challenger", "difference", level, "p"), MUTED)
    for index, row in enumerate(rows):
        _line(axes, index, _cells(row, unit), INK)


def _cells(row: MetricDifference, unit: str) -> tuple[str, ...]:
    return (
        figure(row.baseline, unit),
        figure(row.challenger, unit),
        *change(row, unit),
        p_value(row.p_value),
    )


def _line(axes: Axes, y: float, cells: Sequence[str], colour: str) -> None:
    width = axes.get_window_extent().width / axes.figure.dpi
    style = {"transform": axes.get_yaxis_transform(), "ha": "right", "va": "center", "color": colour}
    for inches, cell in zip(_COLUMNS, cells, strict=True):
        write(axes, 1 + inches / width, y, cell, 8.8, **style)
