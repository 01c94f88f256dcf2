"""`latency_rate.png`: how latency grows with the rate of requests, and where it breaks its limit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from orchestra_reporters.canvas import (
    BLUE,
    GREEN,
    INK,
    MUTED,
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
_LINES = {"p99_ms": ORANGE, "p95_ms": BLUE, "p50_ms": GREEN}


def render(report: LoadReport, settings: ReportersSettings) -> bytes:
    """The picture as PNG; the same bytes for the same report."""
    return png(draw(report, settings))


def draw(report: LoadReport, settings: ReportersSettings) -> Figure:
    """The picture itself, for `render` and for tests that look at it."""
    figure = new_figure(_WIDTH, _HEIGHT, settings.dpi)
    head = Heading.of(_title(report), _subtitle(report), _WIDTH)
    head.draw(figure)
    height = 1 - (head.inches + 0.95) / _HEIGHT
    axes = figure.add_axes((0.85 / _WIDTH, 0.6 / _HEIGHT, 1 - 1.15 / _WIDTH, height))
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
        axes.set_xlim(rates[0] / 1.15, rates[-1] * 1.15)
    for name, colour in _LINES.items():
        _draw_line(axes, steps, name, colour)
    axes.axhline(report.limit_ms, color=VERMILION, linewidth=1.2, linestyle="--")
    if report.highest_rate is not None:
        axes.axvline(report.highest_rate, color=INK, linewidth=1.0, linestyle=":")
    endless = [_rate(step) for step in steps if step.p95_with_errors_ms is None]
    style: dict[str, Any] = {"transform": axes.get_xaxis_transform(), "clip_on": False}
    axes.plot(endless, [1.0] * len(endless), "x", color=VERMILION, **style)
    axes.set_xticks(rates[:: max(1, len(rates) // 8)], minor=False)
    axes.set_xticks([], minor=True)
    axes.xaxis.set_major_formatter(lambda value, _place: f"{value:.3g}")
    axes.yaxis.set_major_formatter(lambda value, _place: f"{value:g}")
    axes.set_xlabel("requests per second", fontproperties=font(9), color=SOFT)
    axes.set_ylabel("milliseconds", fontproperties=font(9), color=SOFT)
    axes.legend(loc="upper left", frameon=False, prop=font(9), labelcolor=INK)


def _rate(step: LoadFigures) -> float:
    return step.rate or 0.0


def _draw_line(axes: Axes, steps: list[LoadFigures], name: str, colour: str) -> None:
    points = [(_rate(step), step.latency[name]) for step in steps if name in step.latency]
    values = [found.value for _, found in points]
    below = [max(0.0, found.value - found.ci_low) for _, found in points]
    above = [max(0.0, found.ci_high - found.value) for _, found in points]
    rates = [rate for rate, _ in points]
    style: dict[str, Any] = {
        "color": colour,
        "ecolor": MUTED,
        "elinewidth": 1,
        "capsize": 2,
        "markersize": 4,
    }
    axes.errorbar(rates, values, yerr=[below, above], fmt="o-", label=name[:3], **style)


def _title(report: LoadReport) -> str:
    limit = f"p95 at or below {report.limit_ms:g} ms"
    if report.highest_rate is None:
        return f"No rate that was tried keeps {limit}"
    return f"{report.highest_rate:.3g} requests per second with {limit}"


def _subtitle(report: LoadReport) -> str:
    held = f"each rate held for {report.step_seconds:g} s"
    ended = "" if report.ended == "found" else f"; the search ended early ({report.ended})"
    return f"{shortened(report.config_id, 60)}, dataset {shortened(report.dataset, 40)}; {held}{ended}"
