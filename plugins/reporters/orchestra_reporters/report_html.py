"""`report.html`: the run page of the service, as one file that needs nothing else."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from orchestra_core.journal.log import JournalReader
from orchestra_core.page.content import Told, page_of, told_by
from orchestra_core.page.rendering import render_standalone

if TYPE_CHECKING:
    from orchestra_core.artifacts import ArtifactFolder
    from orchestra_core.report import Report


def render_page(report: Report, artifacts: ArtifactFolder) -> bytes:
    """UTF-8 HTML; links lead from the run's folder to the files beside it and to those of its jobs.

    Stages and events come from the journal up to the run's ending, so that the page is the same
    whenever it is rendered; without a journal it tells the report alone.
    """
    journal = artifacts.journal
    page = page_of(
        report,
        lambda path: os.path.relpath(artifacts.home / path, artifacts.folder),
        told_by(JournalReader(journal)) if journal.is_file() else Told(),
        artifacts=artifacts.written,
    )
    return render_standalone(page).encode()
