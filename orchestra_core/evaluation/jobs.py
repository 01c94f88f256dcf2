"""A job: all observations of one configuration in one stage, its figures, and its folder.

`.runs/<job_id>/metrics.json`, `queries.jsonl` and `run.trec.gz` appear together or not at all.
"""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from orchestra_core.artifacts import Home, json_bytes, write_folder
from orchestra_core.evaluation.latency import latency_metrics, mean_breakdown, timed
from orchestra_core.evaluation.metrics import Scorer, Scores
from orchestra_core.observation import Failure, LatencySample, Observation
from orchestra_core.plan import Configuration
from orchestra_core.report import JobSummary, Metrics


@dataclass
class Job:
    """Grows rung by rung. `scores`: metric → float64 (n_queries,), aligned to `query_ids`."""

    run_id: str
    stage: str
    configuration: Configuration
    query_ids: tuple[str, ...] = ()
    observations: dict[str, Observation] = field(default_factory=dict)
    samples: list[LatencySample] = field(default_factory=list)
    scores: dict[str, Scores] = field(default_factory=dict)
    _figures: dict[tuple[int, int], Metrics] = field(default_factory=dict, repr=False)
    """The figures by the size that they were computed at; a job only grows."""

    @property
    def job_id(self) -> str:
        """Unique, safe as a folder name."""
        return f"{self.run_id}-{self.stage}-{self.configuration.config_id}"

    def add_block(
        self, query_ids: tuple[str, ...], observations: Iterable[Observation], scorer: Scorer
    ) -> None:
        """Take in a block of queries; one that has no observation counts as failed."""
        found = {o.query_id: o for o in observations}
        rankings = {q: o.ranking for q, o in found.items() if o.failure is None}
        block = scorer.score(query_ids, rankings)
        empty = np.zeros(0)
        scores = {name: np.concatenate([self.scores.get(name, empty), v]) for name, v in block.items()}
        # The ids come last: an interrupt in between leaves more figures than ids, never fewer.
        self.scores, self.observations = scores, {**self.observations, **found}
        self.query_ids += query_ids

    @property
    def failures(self) -> Counter[str]:
        """Reason → count, over queries."""
        return Counter(reason for q in self.query_ids if (reason := self.failure_of(q)))

    def failure_of(self, query_id: str) -> str | None:
        """Why a query has no ranking; None when it has one."""
        observation = self.observations.get(query_id)
        if observation is None:
            return "no_observation"
        return observation.failure.reason if observation.failure else None

    def timed_items(self) -> Sequence[Observation | LatencySample]:
        """Probe samples where there are any, else the observations that were timed themselves."""
        return self.samples or [o for o in self.observations.values() if o.latency_ms is not None]

    def metrics(self) -> Metrics:
        """All figures of the job so far."""
        size = len(self.query_ids), len(self.samples)
        if size not in self._figures:
            self._figures = {size: self._compute()}
        return self._figures[size]

    def _compute(self) -> Metrics:
        items = self.timed_items()
        costs = [i.cost for i in items if i.cost is not None and i.failure is None]
        return {
            **{name: float(values.mean()) for name, values in self.scores.items() if values.size},
            **latency_metrics(timed(items)),
            "cost_per_query": float(np.mean(costs)) if costs else None,
            "count": float(len(self.query_ids)),
            "failures": float(self.failures.total()),
        }

    def summary(self, home: Home, error: Mapping[str, Any] | None = None) -> JobSummary:
        """What JOB_DONE or JOB_FAILED says. A job whose every query failed has failed."""
        failures = self.failures
        all_failed = failures.total() >= len(self.query_ids)
        return JobSummary(
            job_id=self.job_id,
            config_id=self.configuration.config_id,
            stage=self.stage,
            status="failed" if all_failed or error else "ok",
            metrics=self.metrics(),
            failures_by_reason=dict(sorted(failures.items())),
            latency_breakdown_ms=mean_breakdown(self.timed_items()),
            path=home.relative(home.job(self.job_id)),
            error=dict(error) if error else None,
        )

    def write(self, home: Home, summary: JobSummary) -> None:
        """Write the job's folder in one step. Raises StorageError, then no folder is left."""
        write_folder(home.job(self.job_id), self._files(summary))

    def _files(self, summary: JobSummary) -> dict[str, bytes]:
        probes: dict[str, list[LatencySample]] = {}
        for sample in self.samples:
            probes.setdefault(sample.query_id, []).append(sample)
        lines = (_query_line(self, i, probes) for i in range(len(self.query_ids)))
        return {
            "metrics.json": json_bytes(_metrics_file(self, summary)),
            "queries.jsonl": b"".join(lines),
            "run.trec.gz": gzip.compress(_trec_run(self).encode(), 1, mtime=0),
        }


def _metrics_file(job: Job, summary: JobSummary) -> dict[str, Any]:
    return {
        "job_id": job.job_id,
        "run_id": job.run_id,
        "stage": job.stage,
        "status": summary.status,
        "config": {"config_id": summary.config_id, "parameters": job.configuration.parameters},
        "metrics": summary.metrics,
        "latency_breakdown_ms": summary.latency_breakdown_ms,
        "failures_by_reason": summary.failures_by_reason,
        "error": summary.error,
    }


def _query_line(job: Job, index: int, probes: Mapping[str, Sequence[LatencySample]]) -> bytes:
    query_id = job.query_ids[index]
    observation = job.observations.get(query_id)
    content = {
        "query_id": query_id,
        "scores": {name: float(values[index]) for name, values in job.scores.items()},
        "latency_ms": observation.latency_ms if observation else None,
        "cost": observation.cost if observation else None,
        "attempts": observation.attempts if observation else 0,
        "failure": _failure(observation.failure) if observation else None,
        "probes": [
            {"latency_ms": p.latency_ms, "cost": p.cost, "failure": _failure(p.failure)}
            for p in probes.get(query_id, ())
        ],
    }
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _failure(failure: Failure | None) -> dict[str, str] | None:
    return {"reason": failure.reason, "message": failure.message} if failure else None


def _trec_run(job: Job) -> str:
    """TREC run format: query, Q0, document, rank, score, tag; scores fall with rank."""
    lines = []
    tag = job.configuration.config_id
    for query_id in job.query_ids:
        observation = job.observations.get(query_id)
        ranking = observation.ranking if observation and observation.failure is None else ()
        lines += [f"{query_id} Q0 {d} {i} {-i} {tag}" for i, d in enumerate(ranking, 1)]
    return "\n".join(lines) + ("\n" if lines else "")
