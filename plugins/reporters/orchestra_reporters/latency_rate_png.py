"""`latency_rate.png`: how latency grows with the rate of requests, and where it breaks its limit."""

from __future__ import annotations

from math import floor, log, log10
from typing import TYPE_CHECKING, Any

from orchestra_core.runner import rate_figure
from orchestra_reporters.canvas import (
    BLUE,
    GREEN,
    INK,
    ORANGE,
    SOFT,
    VERMILION,
    Heading,
    font,
    new_figure,
    panel_style,
    png,
    shortened,
    write,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from orchestra_core.probing.figures import LoadFigures, LoadReport
    from orchestra_reporters.settings import ReportersSettings

_WIDTH, _HEIGHT = 9.0, 5.4
_MARGIN = 1.15
"""How far the axis of rates reaches beyond the outermost ones, as a factor."""
_STEPS = (1.0, 2.0, 5.0)
"""What is numbered within a decade of latencies."""
_APART = 0.065
"""The least distance of two rates named beneath the axis, as a share of it."""
_LINES = {"p99_ms": ORANGE, "p95_ms": BLUE, "p50_ms": GREEN}


def render(report: LoadReport, settings: ReportersSettings) -> bytes:
    """The picture as PNG; the same bytes for the same report."""
    return png(draw(report, settings))


def draw(report: LoadReport, settings: ReportersSettings) -> Figure:
    """The picture itself, for `render` and for tests that look at it."""
    figure = new_figure(_WIDTH, _HEIGHT, settings.dpi)
    head = Heading.of(_title(report), _subtitle(report), _WIDTH)
    head.draw(figure)
    height = 1 - (head.inches + 1.35) / _HEIGHT
    axes = figure.add_axes((0.85 / _WIDTH, 0.8 / _HEIGHT, 1 - 1.15 / _WIDTH, height))
    _fill(axes, report)
    note = "Open loop; latency counts from the scheduled send. Bars: 95% intervals by block bootstrap."
    write(figure, 0.45 / _WIDTH, 0.12 / _HEIGHT, note, 8, color=SOFT)
    return figure


def _fill(axes: Axes, report: LoadReport) -> None:
    panel_style(axes)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.grid(True, color="#e1e5e9", linewidth=0.8)
    steps = sorted(report.steps, key=_rate)
    rates = [_rate(step) for step in steps]
    if rates:
        axes.set_xlim(rates[0] / _MARGIN, rates[-1] * _MARGIN)
    for name, colour in _LINES.items():
        _draw_line(axes, steps, name, colour)
    _draw_outcome(axes, report)
    axes.set_xticks(spread(rates, report.highest_rate), minor=False)
    axes.set_xticks([], minor=True)
    axes.xaxis.set_major_formatter(lambda value, _place: rate_figure(value))
    _number_the_latencies(axes)
    axes.set_xlabel("requests per second", fontproperties=font(9), color=SOFT)
    axes.set_ylabel("milliseconds", fontproperties=font(9), color=SOFT)
    place: dict[str, Any] = {"loc": "lower left", "bbox_to_anchor": (-0.01, 1.03), "ncols": 6}
    spacing: dict[str, Any] = {
        "borderpad": 0.0,
        "columnspacing": 1.4,
        "handlelength": 1.6,
        "handletextpad": 0.5,
    }
    axes.legend(**place, **spacing, frameon=False, prop=font(9), labelcolor=INK)


def _draw_outcome(axes: Axes, report: LoadReport) -> None:
    """The limit, the highest rate that kept it, and a cross where p95 has no end."""
    limit = f"limit {report.limit_ms:g} ms"
    axes.axhline(report.limit_ms, color=VERMILION, linewidth=1.2, linestyle="--", label=limit)
    if report.highest_rate is not None:
        highest = f"highest rate {rate_figure(report.highest_rate)}/s"
        axes.axvline(report.highest_rate, color=INK, linewidth=1.0, linestyle=":", label=highest)
    endless = [_rate(step) for step in report.steps if step.p95_with_errors_ms is None]
    if endless:
        style: dict[str, Any] = {"color": VERMILION, "linestyle": "none", "marker": "x"}
        style |= {"transform": axes.get_xaxis_transform(), "clip_on": False, "label": "p95 endless"}
        axes.plot(sorted(endless), [1.0] * len(endless), **style)


def _number_the_latencies(axes: Axes) -> None:
    """From one round number to another, without powers, however narrow the range."""
    from matplotlib.ticker import LogLocator, NullFormatter

    low, high = axes.get_ylim()
    axes.set_ylim(_round_number(low, up=False), _round_number(high, up=True))
    axes.yaxis.set_major_locator(LogLocator(subs=_STEPS))
    axes.yaxis.set_major_formatter(lambda value, _place: f"{value:,g}")
    axes.yaxis.set_minor_formatter(NullFormatter())


def _round_number(value: float, *, up: bool) -> float:
    """The next of 1, 2 and 5 times a power of ten."""
    decade = floor(log10(value))
    near = [step * 10.0**place for place in (decade, decade + 1) for step in _STEPS]
    return min(n for n in near if n >= value) if up else max(n for n in near if n <= value)


def spread(rates: list[float], first: float | None) -> list[float]:
    """The rates that can be named beneath the axis without touching; `first` is one, if given."""
    if not rates:
        return []
    span = log(rates[-1] / rates[0] * _MARGIN**2)
    chosen: list[float] = []
    for rate in (*([first] if first is not None else []), rates[0], rates[-1], *rates):
        if all(abs(log(rate / other)) >= _APART * span for other in chosen):
            chosen.append(rate)
    return sorted(chosen)


def _rate(step: LoadFigures) -> float:
    return step.rate or 0.0


def _draw_line(axes: Axes, steps: list[LoadFigures], name: str, colour: str) -> None:
    points = [(_rate(step), step.latency[name]) for step in steps if name in step.latency]
    values = [found.value for _, found in points]
    below = [max(0.0, found.value - found.ci_low) for _, found in points]
    above = [max(0.0, found.ci_high - found.value) for _, found in points]
    rates = [rate for rate, _ in points]
    from matplotlib.colors import to_rgba

    style: dict[str, Any] = {
        "color": colour,
        "ecolor": to_rgba(colour, 0.55),
        "elinewidth": 1.2,
        "capsize": 2.5,
        "markersize": 4,
    }
    axes.errorbar(rates, values, yerr=[below, above], fmt="o-", label=name[:3], **style)


def _title(report: LoadReport) -> str:
    limit = f"p95 at or below {report.limit_ms:g} ms"
    if report.highest_rate is None:
        return f"No rate that was tried keeps {limit}"
    return f"{rate_figure(report.highest_rate)} requests per second with {limit}"


def _subtitle(report: LoadReport) -> str:
    held = f"each rate held for {report.step_seconds:g} s"
    ended = "" if report.ended == "found" else f"; the search ended early ({report.ended})"
    return f"{shortened(report.config_id, 60)}, dataset {shortened(report.dataset, 40)}; {held}{ended}"
