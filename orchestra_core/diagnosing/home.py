"""What the home folder holds: room to write, the latest run, the latest jobs. Only read."""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime
from pathlib import Path

from orchestra_core.artifacts import Home
from orchestra_core.diagnosing.findings import Diagnosis
from orchestra_core.errors import OrchestraError, StorageError
from orchestra_core.evaluation.job_files import METRICS
from orchestra_core.evaluation.job_table import JobFigures, read_job
from orchestra_core.journal.log import JournalReader
from orchestra_core.journal.skimming import skim
from orchestra_core.telling.units import counted

AREA = "home"
LATEST_JOBS = 3
_LITTLE = 200 * 2**20
"""Bytes free below which a run may not fit."""


def tell_home(found: Diagnosis, home: Home) -> None:
    """A row for the folder, the latest run and each of the latest jobs."""
    with found.noting(AREA, "folder"):
        _tell_folder(found, home.root)
    with found.noting(AREA, "latest run"):
        _tell_run(found, home)
    folder = home.root / home.runs_dir
    jobs = sorted(folder.glob(f"*/{METRICS}"), key=_changed, reverse=True)
    if not jobs:
        found.add(AREA, home.runs_dir, "info", "no jobs yet")
        return
    found.add(AREA, home.runs_dir, "ok", f"{counted(len(jobs), 'job')}, the latest of {_when(jobs[0])}")
    for path in jobs[:LATEST_JOBS]:
        try:
            _tell_job(found, read_job(path.parent))
        except OrchestraError as error:
            found.add(AREA, path.parent.name, "warn", error.message, error.hint)


def _tell_folder(found: Diagnosis, root: Path) -> None:
    there = next(path for path in (root, *root.parents) if path.exists())
    if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        hint = "Make it writable, or choose another folder with --home."
        raise StorageError("nothing can be written there", where=str(root), hint=hint)
    free = shutil.disk_usage(there).free
    told = f"{root}: writable, {free / 2**30:,.1f} GiB free"
    hint = "Free some space: `orchestra gc` removes old runs." if free < _LITTLE else ""
    found.add(AREA, "folder", "warn" if hint else "ok", told, hint)


def _tell_run(found: Diagnosis, home: Home) -> None:
    journals = [home.journal(run_id) for run_id in home.run_ids()]
    if not journals:
        found.add(AREA, "latest run", "info", "no run yet")
        return
    latest = max(journals, key=_changed)
    state = skim(JournalReader(latest))
    verdict = f", verdict {state.verdict['kind']}" if state.verdict else ""
    error = (state.error or {}).get("msg", "")
    told = f"{latest.stem}: {state.status}{verdict}" + (f": {error}" if error else "")
    wrong = state.status in ("failed", "early_stopped")
    hint = f"Go on with it: orchestra resume {latest.stem}" if wrong else ""
    found.add(AREA, "latest run", "warn" if wrong else "ok", told, hint)


def _tell_job(found: Diagnosis, job: JobFigures) -> None:
    recall, p95 = job.figures["recall@10"], job.figures["p95_ms"]
    told = [job.status, counted(job.count, "query", "queries"), f"{job.failures:,} failed"]
    told += [] if recall is None else [f"recall@10 {recall:.4f}"]
    told += [] if p95 is None else [f"p95 {p95:.3g} ms"]
    top = ", ".join(f"{reason} ({count})" for reason, count in job.reasons.most_common(3))
    hint = f"Most often: {top}; `orchestra metrics` counts them all." if top else ""
    figures = {**job.figures, "count": job.count, "failures": job.failures}
    bad = job.status != "ok" or job.failures > 0
    found.add(AREA, job.name, "warn" if bad else "ok", ", ".join(told), hint, figures)


def _changed(path: Path) -> float:
    return path.stat().st_mtime if path.exists() else 0.0


def _when(path: Path) -> str:
    return datetime.fromtimestamp(_changed(path), UTC).strftime("%Y-%m-%d %H:%M UTC")
