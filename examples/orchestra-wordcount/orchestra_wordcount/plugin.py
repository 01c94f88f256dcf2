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


# --8<-- [start:settings]
@hookimpl
def orchestra_settings() -> type[WordcountSettings]:
    """The model of `plugins: wordcount:`."""
    from orchestra_wordcount.settings import WordcountSettings

    return WordcountSettings


# --8<-- [end:settings]


# --8<-- [start:runner]
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


# --8<-- [end:runner]


# --8<-- [start:reflect]
@hookimpl
def orchestra_reflect(evidence: RungEvidence) -> Decision | None:
    """The rule `twins`."""
    from orchestra_wordcount.rules import twins
    from orchestra_wordcount.settings import WordcountSettings

    given = evidence.settings
    settings = given if isinstance(given, WordcountSettings) else WordcountSettings()
    return twins(evidence, settings.twins_after)


# --8<-- [end:reflect]


# --8<-- [start:report]
@hookimpl
def orchestra_report(request: ReportRequest) -> None:
    """Write `summary.txt`."""
    from orchestra_wordcount.summary import render

    request.artifacts.write_text("summary.txt", render(request.report))


# --8<-- [end:report]
