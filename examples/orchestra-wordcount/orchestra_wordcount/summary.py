"""The artifact `summary.txt`: a run in a few lines."""

from __future__ import annotations

from orchestra_core import Report


def render(report: Report) -> str:
    """Plain text; every line is `word: value`."""
    lines = {"run": report.run_id, "status": report.status}
    if report.error:
        lines["error"] = str(report.error["msg"])
    if report.verdict:
        lines["verdict"] = f"{report.verdict.kind} ({report.verdict.reason})"
    if report.winner:
        lines["winner"] = report.winner.config_id
        lines["published"] = "yes" if report.published else f"no, {report.not_published_because}"
    return "".join(f"{word}: {' '.join(value.split())}\n" for word, value in lines.items())
