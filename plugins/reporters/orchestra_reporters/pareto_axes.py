"""Scales, limits and units of `pareto.png`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from matplotlib.ticker import FixedLocator, FuncFormatter, MaxNLocator, NullLocator

from orchestra_core.telling.units import unit_of
from orchestra_reporters.canvas import GRID, SOFT, font, panel_style, printable

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from orchestra_core.report import Report
    from orchestra_core.telling.points import Scatter

_STEPS = (1, 2, 3, 5, 7)


def set_up(axes: Axes, report: Report, shown: Scatter) -> None:
    """Choose scales so that all points, and some room for labels, fit in."""
    latencies = [point.latency for point in shown.points]
    panel_style(axes)
    axes.grid(color=GRID, linewidth=0.7)
    axes.set_ylim(_quality_limits([point.quality for point in shown.points]))
    if spans_a_decade(latencies):
        _logarithmic(axes, latencies)
    else:
        axes.set_xlim(_padded(latencies, 0.10, 0.08))
        axes.xaxis.set_major_locator(MaxNLocator(9))
    axes.yaxis.set_major_locator(MaxNLocator(7))
    _name(axes, report)


def spans_a_decade(values: list[float]) -> bool:
    """True when a logarithmic axis is possible and shows more."""
    return min(values) > 0 and max(values) > 10 * min(values)


def _padded(values: list[float], below: float, above: float) -> tuple[float, float]:
    low, high = min(values), max(values)
    span = high - low or 0.2 * abs(high) or 0.2
    return low - below * span, high + above * span


def _quality_limits(values: list[float]) -> tuple[float, float]:
    low, high = _padded(values, 0.11, 0.16)
    return low, min(high, 1.04) if max(values) <= 1 else high  # no tick above a perfect score


def _logarithmic(axes: Axes, values: list[float]) -> None:
    low, high = min(values), max(values)
    axes.set_xscale("log")
    axes.set_xlim(low * (low / high) ** 0.10, high * (high / low) ** 0.06)
    decades = range(-9, 10)
    axes.xaxis.set_major_locator(
        FixedLocator([s * 10.0**d for d in decades for s in _shown(low, high)])
    )
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))


def _shown(low: float, high: float) -> tuple[int, ...]:
    """Which multiples of a power of ten get a tick: fewer, the more decades there are."""
    ratio = high / low
    return _STEPS if ratio < 200 else (1, 3) if ratio < 1e5 else (1,)


def _name(axes: Axes, report: Report) -> None:
    metric = report.objective.maximize
    unit = unit_of(metric) or "0 to 1, mean over queries"
    style: dict[str, Any] = {"fontproperties": font(10), "color": SOFT, "parse_math": False}
    scale = ", logarithmic" if axes.get_xscale() == "log" else ""
    axes.set_xlabel(f"p95 latency, milliseconds{scale} (lower is better)", labelpad=7, **style)
    axes.set_ylabel(printable(f"{metric}, {unit} (higher is better)"), **style)
    axes.yaxis.set_label_coords(-0.064, 0.5)  # fixed, so that long tick labels cannot push it out
