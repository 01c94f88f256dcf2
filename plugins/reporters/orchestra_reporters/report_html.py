"""`report.html`: the run page of the service, as one file that needs nothing else."""

from __future__ import annotations

import os
from pathlib import PurePath
from typing import TYPE_CHECKING

from orchestra_core.page.content import page_of
from orchestra_core.page.rendering import render_standalone

if TYPE_CHECKING:
    from collections.abc import Collection

    from orchestra_core.artifacts import ArtifactFolder
    from orchestra_core.report import Report


def render_page(report: Report, artifacts: ArtifactFolder, names: Collection[str]) -> bytes:
    """UTF-8 HTML; links lead from the run's folder to those of `names` that are there, and to jobs.

    What other reporters wrote is not listed: whether they did so already depends on their order.
    """
    written = (PurePath(path).name for path in artifacts.written)
    page = page_of(
        report,
        lambda path: os.path.relpath(artifacts.home / path, artifacts.folder),
        artifacts=[(name, name) for name in written if name in names],
    )
    return render_standalone(page).encode()
