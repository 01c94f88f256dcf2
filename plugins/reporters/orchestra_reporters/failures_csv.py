"""`failTopN.csv`: the most frequent reasons of failed requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestra_reporters.csv_text import table, words

if TYPE_CHECKING:
    from orchestra_core.report import Report
    from orchestra_reporters.settings import ReportersSettings

HEADER = ("reason", "count")


def top_failures(report: Report, limit: int) -> list[tuple[str, int]]:
    """At most `limit` (reason, count), the most frequent first, equal counts by reason."""
    return sorted(report.failures.items(), key=lambda item: (-item[1], item[0]))[:limit]


def render(report: Report, settings: ReportersSettings) -> bytes:
    """The header, and one row per reason."""
    failures = top_failures(report, settings.top_n_failures)
    return table(HEADER, ([words(reason), str(count)] for reason, count in failures))
