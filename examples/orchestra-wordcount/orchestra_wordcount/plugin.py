"""Hook implementations only; what they need is imported when a run asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestra_core import hookimpl

if TYPE_CHECKING:
    from orchestra_core import (
        Decision,
        ReportRequest,
        RungEvidence,
        RunnerDescription,
        RunnerRequest,
    )
    from orchestra_wordcount.runner import WordcountRunner
    from orchestra_wordcount.settings import WordcountSettings


# docs: [start:settings]
@hookimpl
def orchestra_settings() -> type[WordcountSettings]:
    """The model of `plugins: wordcount:`."""
    from orchestra_wordcount.settings import WordcountSettings

    return WordcountSettings


# docs: [end:settings]


# docs: [start:runner]
@hookimpl
def orchestra_describe_runner() -> RunnerDescription:
    """Parameters and defaults; this makes the package a runner plugin."""
    from orchestra_wordcount.description import DESCRIPTION

    return DESCRIPTION


@hookimpl
def orchestra_runner(request: RunnerRequest) -> WordcountRunner:
    """Index the dataset's corpus."""
    from orchestra_wordcount.runner import WordcountRunner
    from orchestra_wordcount.settings import WordcountSettings

    given = request.settings
    settings = given if isinstance(given, WordcountSettings) else WordcountSettings()
    return WordcountRunner(request.dataset, settings)


# docs: [end:runner]


# docs: [start:reflect]
@hookimpl
def orchestra_reflect(evidence: RungEvidence) -> Decision | None:
    """The rule `twins`."""
    from orchestra_wordcount.rules import twins
    from orchestra_wordcount.settings import WordcountSettings

    given = evidence.settings
    settings = given if isinstance(given, WordcountSettings) else WordcountSettings()
    return twins(evidence, settings.twins_after)


# docs: [end:reflect]


# docs: [start:report]
@hookimpl
def orchestra_report(request: ReportRequest) -> None:
    """Write `summary.txt`."""
    from orchestra_wordcount.summary import render

    request.artifacts.write_text("summary.txt", render(request.report))


# docs: [end:report]
