"""`pareto.png`: quality against latency, every configuration a point, the front a line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestra_core.telling.points import scatter
from orchestra_reporters.canvas import SOFT, Heading, new_figure, png, write
from orchestra_reporters.pareto_axes import set_up
from orchestra_reporters.pareto_labels import add_labels
from orchestra_reporters.pareto_marks import add_marks
from orchestra_reporters.pareto_text import notes, nothing, subtitle, title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from orchestra_core.report import Report
    from orchestra_core.telling.points import Scatter
    from orchestra_reporters.settings import ReportersSettings

_WIDTH, _HEIGHT, _EMPTY = 11.0, 7.2, 3.2
_LEFT, _RIGHT, _BOTTOM, _LEGEND = 0.9, 0.35, 0.95, 0.48
"""Inches around the axes; the legend stands between heading and axes."""


def render(report: Report, settings: ReportersSettings) -> bytes:
    """The picture as PNG; the same bytes for the same report."""
    return png(draw(report, settings))


def draw(report: Report, settings: ReportersSettings) -> Figure:
    """The picture itself, for `render` and for tests that measure it."""
    shown = scatter(report)
    head = Heading.of(title(report, shown), subtitle(report, shown), _WIDTH)
    figure = new_figure(_WIDTH, _HEIGHT if shown.points else _EMPTY, settings.dpi)
    head.draw(figure)
    labelled = 0
    if shown.points:
        labelled = _plot(figure.add_axes(_area(head.inches + _LEGEND)), report, shown)
    else:
        style = {"ha": "center", "va": "center", "color": SOFT, "linespacing": 1.6}
        write(figure, 0.5, 0.42, nothing(report, shown), 11, **style)
    foot = (0.45 / _WIDTH, 0.16 / figure.get_figheight())
    write(figure, *foot, notes(report, shown, labelled), 8, color=SOFT)
    return figure


def _plot(axes: Axes, report: Report, shown: Scatter) -> int:
    """Fill the axes; returns how many points are named."""
    set_up(axes, report, shown)
    add_marks(axes, report, shown)
    return add_labels(axes, shown)


def _area(top: float) -> tuple[float, float, float, float]:
    """Left, bottom, width and height of the axes as shares of the figure; `top` in inches."""
    width, height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _BOTTOM - top
    return _LEFT / _WIDTH, _BOTTOM / _HEIGHT, width / _WIDTH, height / _HEIGHT
