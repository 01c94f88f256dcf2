"""`winners.md`: the run's story for people, for failed and stopped runs as well."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestra_core.telling.story import verdict_line
from orchestra_reporters import sections_evidence, sections_latency, sections_outcome
from orchestra_reporters.markdown import escape, section

if TYPE_CHECKING:
    from orchestra_core.report import Report
    from orchestra_reporters.settings import ReportersSettings


def render(report: Report, settings: ReportersSettings) -> bytes:
    """UTF-8 Markdown (GitHub's tables); sections with nothing to say are left out."""
    parts = [
        _heading(report),
        section("What was asked", sections_outcome.asked(report)),
        section("Winner", sections_outcome.winner(report)),
        section("A/B against the baseline", sections_outcome.ab(report)),
        section("Latency", sections_latency.arms(report)),
        section("Queries that moved most", sections_outcome.moved(report)),
        section("Publication", sections_outcome.publication(report)),
        section("Race", sections_evidence.race(report)),
        section("Front", sections_evidence.front(report)),
        section("Candidates", sections_evidence.candidates(report, settings.top_n_candidates)),
        section("Decisions and rulings", sections_evidence.decisions(report)),
        section("Documents", sections_evidence.documents(report)),
        section("Failures", sections_evidence.failures(report, settings.top_n_failures)),
        section("Warnings", sections_evidence.warnings(report)),
        section("Plugins and fingerprint", sections_evidence.provenance(report)),
        section("Files", sections_evidence.files(settings)),
    ]
    return "".join(parts).encode()


def _heading(report: Report) -> str:
    opening, reason = verdict_line(report)
    sentence = f"**{escape(opening)}.** {escape(reason)}".rstrip()
    return f"# {escape(report.name)}: run {escape(report.run_id)}\n\n{sentence}\n"
