"""`ab_diff.png`: differences of the A/B with their intervals, one panel per unit."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from orchestra_core.telling.story import VERDICTS, nothing_better, why_no_verdict
from orchestra_core.telling.units import MISSING, unit_of
from orchestra_reporters.ab_panel import draw_panel
from orchestra_reporters.canvas import SOFT, Heading, new_figure, png, shortened, wrapped, write
from orchestra_reporters.differences import change, level

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from orchestra_core.report import MetricDifference, Report, Verdict
    from orchestra_reporters.settings import ReportersSettings

Panel = tuple[str, list["MetricDifference"]]
_WIDTH, _BOTTOM = 11.0, 0.45
_LEFT, _PANEL = 1.95, 4.3
"""Inches to the left of the panels, and their width; a table takes the rest."""
_ROW, _HEADER, _AXIS, _EMPTY = 0.40, 0.62, 0.36, 1.4
"""Heights in inches: a row, a panel's header and axis, the message when there is no panel."""
_NOTE = 0.15
"""A further line of the small print."""
_ORDER = {"": 0, "ms": 1, "USD": 2}


def render(report: Report, settings: ReportersSettings) -> bytes:
    """The picture as PNG; the same bytes for the same report."""
    return png(draw(report, settings))


def draw(report: Report, settings: ReportersSettings) -> Figure:
    """The picture itself, for `render` and for tests that measure it."""
    shown = panels(report.verdict)
    head = Heading.of(_title(report), _subtitle(report), _WIDTH)
    body = sum(_height(rows) for _, rows in shown) or _EMPTY
    notes = _notes(report)
    bottom = _BOTTOM + _NOTE * notes.count("\n")
    figure = new_figure(_WIDTH, head.inches + body + bottom, settings.dpi)
    head.draw(figure)
    _stack(figure, shown, head.inches)
    if not shown:
        style = {"ha": "center", "va": "center", "color": SOFT}
        write(figure, 0.5, 0.4, "No differences to show.", 12, **style)
    write(figure, 0.45 / _WIDTH, 0.16 / figure.get_figheight(), notes, 8, color=SOFT)
    return figure


def _stack(figure: Figure, shown: Sequence[Panel], top: float) -> None:
    """Panels below each other, the first one `top` inches below the figure's upper edge."""
    height = figure.get_figheight()
    for unit, rows in shown:
        bottom = top + _HEADER + _ROW * len(rows)
        box = (_LEFT / _WIDTH, 1 - bottom / height, _PANEL / _WIDTH, _ROW * len(rows) / height)
        draw_panel(figure.add_axes(box), unit, rows, level(rows[0]))
        top += _height(rows)


def panels(verdict: Verdict | None) -> list[Panel]:
    """Rows by unit: qualities, milliseconds, USD, then others; none without a verdict."""

    def key(row: MetricDifference) -> tuple[int, str]:
        unit = unit_of(row.metric, row.unit)
        return _ORDER.get(unit, 9), unit

    rows = sorted(verdict.diff_table, key=key) if verdict else []
    return [(unit, list(group)) for (_, unit), group in groupby(rows, key=key)]


def _height(rows: list[MetricDifference]) -> float:
    return _HEADER + _ROW * len(rows) + _AXIS


def _title(report: Report) -> str:
    verdict = report.verdict
    if verdict is None:
        return why_no_verdict(report)
    if verdict.baseline == verdict.challenger:
        return f"No A/B was needed: the grid found {nothing_better(report)}"
    opening = VERDICTS[verdict.kind]
    if report.denied_because:
        return f"{opening}, but denied: {report.denied_because}"
    row = next((row for row in verdict.diff_table if row.metric == verdict.metric), None)
    return f"{opening}: {_change(row)}" if row and row.delta is not None else opening


def _change(row: MetricDifference) -> str:
    unit = unit_of(row.metric, row.unit)
    delta, interval = change(row, unit)
    text = f"{row.metric} changes by {delta} {unit}".rstrip()
    return text if interval == MISSING else f"{text} ({level(row)} {interval})"


def _subtitle(report: Report) -> str:
    if report.verdict is None:
        return f"Dataset {shortened(report.dataset, 80)}"
    if report.verdict.baseline == report.verdict.challenger:
        alone = shortened(report.verdict.baseline, 80)
        return f"{alone} on tuning queries alone; dataset {shortened(report.dataset, 40)}"
    arms = (shortened(name, 56) for name in (report.verdict.challenger, report.verdict.baseline))
    queries = f"paired on {report.verdict.queries:,} queries that nobody tuned on"
    return f"{' against '.join(arms)}, {queries}; dataset {shortened(report.dataset, 40)}"


def _notes(report: Report) -> str:
    test = f" Method: {report.verdict.test}." if report.verdict and report.verdict.test else ""
    return wrapped(f"Run {report.run_id}.{test}", 165, 3)
