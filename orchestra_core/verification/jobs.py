"""The jobs' folders: hashes, per-query scores, and every figure of JOB_DONE and `metrics.json`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from orchestra_core.artifacts import Home, storage_damage
from orchestra_core.errors import StorageError
from orchestra_core.evaluation.job_files import METRICS, QUERIES, RANKINGS, metrics_content, query_lines
from orchestra_core.evaluation.jobs import Job
from orchestra_core.evaluation.metrics import Scorer
from orchestra_core.plan import Plan
from orchestra_core.report import JobSummary
from orchestra_core.verification.journal import Story
from orchestra_core.verification.ledger import ABSENT, Ledger

Jobs = dict[tuple[str, str], Job]
"""(stage, config_id) → the job as its files give it."""


def check_jobs(ledger: Ledger, home: Home, story: Story, plan: Plan, scorer: Scorer | None) -> Jobs:
    """Check every recorded job; without a scorer, its files alone. Returns those that could be read."""
    found: Jobs = {}
    for payload in story.state.jobs.values():
        ledger.checked["jobs"] += 1
        with ledger.reading(story.file, f"job {payload['job_id']}"):
            job = _read(ledger, home, plan, scorer, payload)
            if job is not None:
                found[job.stage, job.configuration.config_id] = job
    return found


def check_sha256(ledger: Ledger, home: Home, path: Path, recorded: str | None) -> bool:
    """Compare a file with its recorded hash; False when it is missing or another."""
    file = home.relative(path)
    ledger.checked["files"] += 1
    if not path.is_file():
        ledger.missing(file, "the file is not there")
        return False
    with storage_damage(path):
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != recorded:
        ledger.differs(file, "sha256", recorded or ABSENT, found)
    return found == recorded


def _read(
    ledger: Ledger, home: Home, plan: Plan, scorer: Scorer | None, payload: Mapping[str, Any]
) -> Job | None:
    try:
        return _check_job(ledger, home, plan, scorer, payload)
    except StorageError as error:
        ledger.differs(_relative(home, error.where), "content", "readable", error.message)
    return None


def _check_job(
    ledger: Ledger, home: Home, plan: Plan, scorer: Scorer | None, payload: Mapping[str, Any]
) -> Job | None:
    recorded = JobSummary.model_validate(payload, strict=False)
    folder = home.job(recorded.job_id)
    for name in (METRICS, QUERIES, RANKINGS):
        check_sha256(ledger, home, folder / name, recorded.files.get(name))
    configuration = plan.configuration(recorded.config_id)
    empty = Job(ledger.run_id, recorded.stage, configuration)
    if (folder / METRICS).is_file():
        _check_metrics_file(ledger, home, folder / METRICS, metrics_content(empty, recorded))
    whole = (folder / QUERIES).is_file() and (folder / RANKINGS).is_file()
    if scorer is None or not whole:
        return None
    job = Job.read(home, ledger.run_id, recorded.stage, configuration, scorer)
    _check_queries(ledger, home.relative(folder / QUERIES), folder, plan, job)
    kept = {"files", "comparable", "not_comparable_because", "error"}  # said, not computed
    told = recorded.model_dump(mode="json", exclude=kept)
    again = job.summary(home).model_dump(mode="json", exclude=kept)
    journal = home.relative(home.journal(ledger.run_id))
    ledger.compare(journal, f"job {recorded.job_id}", told, again)
    return job


def _check_metrics_file(ledger: Ledger, home: Home, path: Path, expected: Mapping[str, Any]) -> None:
    with storage_damage(path):
        ledger.compare(home.relative(path), "content", json.loads(path.read_bytes()), expected)


def _check_queries(ledger: Ledger, file: str, folder: Path, plan: Plan, job: Job) -> None:
    planned = next(stage.query_ids for stage in plan.stages if stage.name == job.stage)
    ledger.compare(file, "queries", list(job.query_ids), list(planned[: len(job.query_ids)]))
    with storage_damage(folder / QUERIES):
        for index, line in enumerate(query_lines(folder)):
            again = {name: float(values[index]) for name, values in job.scores.items()}
            ledger.compare(file, f"query {line['query_id']} · scores", line["scores"], again)
    ledger.checked["rankings"] += len(job.query_ids)


def _relative(home: Home, where: str) -> str:
    path = Path(where)
    return home.relative(path) if path.is_relative_to(home.root) else where
