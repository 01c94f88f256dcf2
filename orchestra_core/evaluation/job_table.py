"""Figures of finished jobs read from their folders, one by one and all together.

Used by `orchestra metrics`. Reads what a run wrote, and what a program of a command backend wrote.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from orchestra_core.artifacts import storage_damage
from orchestra_core.errors import UsageError
from orchestra_core.evaluation.job_files import METRICS, QUERIES, query_lines
from orchestra_core.evaluation.latency import latency_metrics

SHOWN = ("recall@10", "p95_ms", "cost_per_query")
_FORMULA_STARTS = ("=", "+", "-", "@")


@dataclass(frozen=True)
class JobFigures:
    """One job, or several taken together."""

    name: str
    status: str
    figures: Mapping[str, float | None]
    """Of `SHOWN`; None where nothing was measured."""
    count: int
    """Queries asked."""
    failures: int
    aggregate_only: bool = False
    reasons: Counter[str] = field(default_factory=Counter)
    """Reason → failed queries; `timed request: …` → failed timed requests."""
    latencies_ms: tuple[float, ...] = ()
    """Of every timed request that did not fail; empty where the job has none on record."""


def find_jobs(paths: Iterable[Path]) -> list[Path]:
    """The job folders among `paths` and one level below them, each once, in order.

    Raises UsageError for a path that is no job folder and holds none.
    """
    found: dict[Path, None] = {}
    for path in paths:
        inside = [path] if (path / METRICS).is_file() else _below(path)
        if not inside:
            raise UsageError(
                f"there is no {METRICS} in it, nor in a folder in it",
                where=str(path),
                hint="Name folders of jobs, such as .runs/*-ab-*, or .runs itself.",
            )
        found |= dict.fromkeys(inside)
    return list(found)


def read_job(folder: Path) -> JobFigures:
    """What a job's folder says. Raises StorageError when a file is missing or damaged."""
    with storage_damage(folder / METRICS):
        content = json.loads((folder / METRICS).read_bytes())
        told = content["metrics"]
        figures = {name: _figure(told.get(name)) for name in SHOWN}
        count, failures = _whole(told["count"]), _whole(told.get("failures") or 0)
        reasons = Counter(content.get("failures_by_reason") or {})
        status, aggregate = str(content["status"]), bool(content.get("aggregate_only", False))
    latencies: tuple[float, ...] = ()
    if (folder / QUERIES).is_file():
        with storage_damage(folder / QUERIES):
            lines = query_lines(folder)
            latencies = tuple(_latencies(lines))
            reasons = Counter(_reasons(lines))
    return JobFigures(folder.name, status, figures, count, failures, aggregate, reasons, latencies)


def together(jobs: Sequence[JobFigures]) -> JobFigures:
    """Means weighted by queries, and the p95 of all timed requests; only over jobs that are ok.

    One job's p95 is its own: a program may have timed more than it tells. A figure that one of them
    lacks is None. Raises ValueError without any job.
    """
    good = [job for job in jobs if job.status == "ok"]
    figures = {name: _mean(good, name) for name in SHOWN}
    timed = np.array([ms for job in good for ms in job.latencies_ms])
    whole = all(job.latencies_ms for job in good)
    if len(good) > 1:
        figures["p95_ms"] = latency_metrics(timed)["p95_ms"] if whole else None
    return JobFigures(
        name="all",
        status="ok" if len(good) == len(jobs) else f"{len(jobs) - len(good)} failed",
        figures=figures,
        count=sum(job.count for job in jobs),
        failures=sum(job.failures for job in jobs),
        aggregate_only=any(job.aggregate_only for job in good),
        reasons=sum((job.reasons for job in jobs), Counter()),
    )


def failures_csv(reasons: Mapping[str, int], most: int) -> bytes:
    """`reason,count`, the most frequent first, equal counts by reason; at most `most` rows."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(("reason", "count"))
    ordered = sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    writer.writerows((_cell(reason), count) for reason, count in ordered[:most])
    return stream.getvalue().encode()


def _below(folder: Path) -> list[Path]:
    return sorted(path.parent for path in folder.glob(f"*/{METRICS}")) if folder.is_dir() else []


def _figure(value: Any) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise ValueError(f"{value!r} is no figure")
    return float(value)


def _whole(value: Any) -> int:
    figure = _figure(value)
    if figure is None or figure < 0 or figure != int(figure):
        raise ValueError(f"{value!r} is no count")
    return int(figure)


def _latencies(lines: Iterable[Mapping[str, Any]]) -> Iterator[float]:
    lines = list(lines)
    probes = [probe for line in lines for probe in line.get("probes", ())]
    for item in probes or lines:
        if item.get("failure") is None and item.get("latency_ms") is not None:
            yield float(item["latency_ms"])


def _reasons(lines: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for line in lines:
        if line.get("failure") is not None:
            yield str(line["failure"]["reason"])
        for probe in line.get("probes", ()):
            if probe.get("failure") is not None:
                yield f"timed request: {probe['failure']['reason']}"
        if line.get("attempts") == 0:
            yield "no_observation"


def _mean(jobs: Sequence[JobFigures], name: str) -> float | None:
    values = [job.figures[name] for job in jobs]
    total = sum(job.count for job in jobs)
    if not total or any(value is None for value in values):
        return None
    return math.fsum((v or 0.0) * job.count for v, job in zip(values, jobs, strict=True)) / total


def _cell(text: str) -> str:
    """One line, and never taken for a formula by a spreadsheet."""
    line = " ".join(text.split())
    return f"'{line}" if line.startswith(_FORMULA_STARTS) else line
