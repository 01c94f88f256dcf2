"""A job: all observations of one configuration in one stage, its figures, and its folder.

`.runs/<job_id>/` is written whole or not at all; `job_files` knows what its files look like.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from orchestra_core.artifacts import Home, storage_damage, write_folder
from orchestra_core.errors import MisalignedQueries
from orchestra_core.evaluation import job_files
from orchestra_core.evaluation.latency import latency_metrics, mean_breakdown, timed, timed_requests
from orchestra_core.evaluation.metrics import Scorer, Scores
from orchestra_core.observation import Failure, LatencySample, Observation
from orchestra_core.plan import Configuration
from orchestra_core.report import JobSummary, Metrics

AGGREGATE_ONLY = "the target tells its own figures and no rankings, so no significance is claimed"


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
        for row, query_id in enumerate(query_ids):
            told = found[query_id].reported if query_id in rankings else {}
            for name in told.keys() & block.keys():
                block[name][row] = told[name]
        empty = np.zeros(0)
        scores = {name: np.concatenate([self.scores.get(name, empty), v]) for name, v in block.items()}
        # The ids come last: an interrupt in between leaves more figures than ids, never fewer.
        # In the order asked, whatever order they came in: figures repeat to the last digit.
        ordered = {q: found[q] for q in query_ids if q in found}
        self.scores, self.observations = scores, {**self.observations, **ordered}
        self.query_ids += query_ids

    @property
    def failures(self) -> Counter[str]:
        """Reason → count, over queries."""
        return Counter(reason for q in self.query_ids if (reason := self.failure_of(q)))

    @property
    def failed(self) -> tuple[Failure, ...]:
        """Why queries failed, in the order asked; without those that have no observation."""
        return tuple(o.failure for o in self.observations.values() if o.failure is not None)

    def failure_of(self, query_id: str) -> str | None:
        """Why a query has no ranking; None when it has one."""
        observation = self.observations.get(query_id)
        if observation is None:
            return "no_observation"
        return observation.failure.reason if observation.failure else None

    @property
    def aggregate_only(self) -> bool:
        """Whether the target told figures over a block, and no rankings, for any query."""
        return any(o.reported for o in self.observations.values())

    @property
    def failed_queries(self) -> set[str]:
        """Ids of the queries that gave no ranking because something went wrong."""
        seen = self.observations
        return {q for q in self.query_ids if q not in seen or seen[q].failure is not None}

    def rankings(self) -> dict[str, tuple[str, ...]]:
        """Query id → document ids, best first, of every query that did not fail."""
        failed = self.failed_queries
        return {q: self.observations[q].ranking for q in self.query_ids if q not in failed}

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
        figures: Metrics = {
            **{name: float(values.mean()) for name, values in self.scores.items() if values.size},
            **latency_metrics(timed(items)),
            "cost_per_query": float(np.mean(costs)) if costs else None,
            "count": float(len(self.query_ids)),
            "failures": float(self.failures.total()),
        }
        return {**figures, **self._as_reported(figures)} if self.aggregate_only else figures

    def _as_reported(self, figures: Metrics) -> Metrics:
        """Means over queries of what the target told of their blocks; None for what it did not tell."""
        told = [o.reported for o in self.observations.values() if o.reported]
        known = set.intersection(*(set(one) for one in told))
        missing: Metrics = {name: None for name in self.scores if name not in known}
        gaps = [name for name in known if name not in self.scores and figures.get(name, 0.0) is None]
        return {**missing, **{name: float(np.mean([one[name] for one in told])) for name in gaps}}

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
            probe=timed_requests(self.samples) if self.stage == "ab" and self.samples else None,
            path=home.relative(home.job(self.job_id)),
            aggregate_only=self.aggregate_only,
            error=dict(error) if error else None,
        )

    def write(self, home: Home, summary: JobSummary) -> JobSummary:
        """Write the job's folder in one step; returns the summary with each file's SHA-256.

        Raises StorageError, then no folder is left.
        """
        files = job_files.content_of(self, summary)
        write_folder(home.job(self.job_id), files)
        hashes = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
        return summary.model_copy(update={"files": hashes})

    @classmethod
    def read(
        cls, home: Home, run_id: str, stage: str, configuration: Configuration, scorer: Scorer
    ) -> Job:
        """A finished job from its folder; every score is computed anew from the stored rankings.

        Raises StorageError when a file is missing or damaged.
        """
        job = cls(run_id, stage, configuration)
        found = job_files.read_folder(home.job(job.job_id), configuration.config_id)
        with storage_damage(home.job(job.job_id) / job_files.QUERIES):
            job.add_block(found.query_ids, found.observations, scorer)
        job.samples = found.samples
        return job

    def only(self, query_ids: Sequence[str]) -> Job:
        """The job as it would be, had only these of its queries been asked, in this order.

        Raises MisalignedQueries for a query that was not asked.
        """
        if unasked := set(query_ids) - set(self.query_ids):
            raise MisalignedQueries(f"{self.job_id} was not asked {len(unasked)} of these queries")
        wanted = set(query_ids)
        place = {query_id: index for index, query_id in enumerate(self.query_ids)}
        rows = [place[query_id] for query_id in query_ids]
        return Job(
            self.run_id,
            self.stage,
            self.configuration,
            tuple(query_ids),
            {q: self.observations[q] for q in query_ids if q in self.observations},
            [sample for sample in self.samples if sample.query_id in wanted],
            {name: values[rows] for name, values in self.scores.items()},
        )
