"""Writes every artifact; one that fails does not stop the others."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

from orchestra_reporters.errors import ArtifactsFailed

if TYPE_CHECKING:
    from orchestra_core.artifacts import ArtifactFolder
    from orchestra_core.report import Report
    from orchestra_reporters.settings import ReportersSettings

Render = Callable[["Report", "ReportersSettings"], bytes]

DATA = {
    "winners.json": "winners_json",
    "winners.md": "winners_md",
    "ab_diff.csv": "ab_diff_csv",
    "failTopN.csv": "failures_csv",
}
PICTURES = {"pareto.png": "pareto_png", "ab_diff.png": "ab_diff_png"}
"""Artifact → the module here whose `render(report, settings)` makes its bytes."""
PAGE = "report.html"


def artifact_names(settings: ReportersSettings) -> tuple[str, ...]:
    """The artifacts in the order they are written: data, pictures, and the page that links to them."""
    pictures = tuple(PICTURES) if settings.plots else ()
    return (*DATA, *pictures, *((PAGE,) if settings.page else ()))


def write_all(report: Report, settings: ReportersSettings, artifacts: ArtifactFolder) -> None:
    """Render and write each artifact. Raises ArtifactsFailed at the end, naming those that failed."""
    failures: dict[str, Exception] = {}
    for name in artifact_names(settings):
        try:
            if name == PAGE:
                from orchestra_reporters.report_html import render_page

                artifacts.write_bytes(name, render_page(report, artifacts, {*DATA, *PICTURES}))
            else:
                artifacts.write_bytes(name, _renderer(name)(report, settings))
        except Exception as error:  # whatever it was: the other artifacts are still worth having
            failures[name] = error
    if failures:
        raise ArtifactsFailed.of(failures) from next(iter(failures.values()))


def _renderer(name: str) -> Render:
    # Imported one by one, so that a broken drawing library costs the pictures only.
    module = (DATA | PICTURES)[name]
    render: Render = import_module(f"orchestra_reporters.{module}").render
    return render
