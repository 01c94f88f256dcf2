"""`ab_diff.csv`: the A/B's difference table, in the metrics' own units."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestra_reporters.csv_text import number, table, words

if TYPE_CHECKING:
    from orchestra_core.report import MetricDifference, Report
    from orchestra_reporters.settings import ReportersSettings

HEADER = ("metric", "baseline", "challenger", "delta", "ci_low", "ci_high", "p_value")


def render(report: Report, _settings: ReportersSettings) -> bytes:
    """The header, and one row per metric; the header alone when there is no verdict."""
    rows = report.verdict.diff_table if report.verdict else ()
    return table(HEADER, (_cells(row) for row in rows))


def _cells(row: MetricDifference) -> list[str]:
    figures = (row.baseline, row.challenger, row.delta, row.ci_low, row.ci_high, row.p_value)
    return [words(row.metric), *(number(value) for value in figures)]
