"""How a run ends: its artifacts, and what the caller gets."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

from orchestra_core.artifacts import ArtifactFolder
from orchestra_core.errors import StorageError
from orchestra_core.journal.events import EventType
from orchestra_core.journal.recorder import Recorder
from orchestra_core.payloads import ReportRequest
from orchestra_core.plugins.calls import HookCalls
from orchestra_core.report import Report


@dataclass(frozen=True)
class Outcome:
    """What a run came to."""

    report: Report
    exit_code: int
    """DESIGN §9; 130 when the user interrupted."""
    artifacts: tuple[str, ...]
    """Paths relative to the home folder."""
    error: BaseException | None = None


def write_artifacts(
    calls: HookCalls, report: Report, folder: ArtifactFolder, recorder: Recorder
) -> StorageError | None:
    """Have every reporter tell the report; record what was written into `folder.written`.

    Returns the storage error of a reporter or of the journal, if any.
    """
    trouble = calls.report(ReportRequest(report, folder))
    try:
        recorder.record_all(
            (EventType.ARTIFACT_WRITTEN, {"path": path, "sha256": _sha256(folder, path)})
            for path in folder.written
        )
    except StorageError as error:
        trouble = trouble or error
    return trouble


def _sha256(folder: ArtifactFolder, relative: str) -> str:
    try:
        return hashlib.sha256((folder.home / relative).read_bytes()).hexdigest()
    except OSError:
        return ""
