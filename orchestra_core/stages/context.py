"""What every stage works with: ask the target, score, record, reflect."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from orchestra_core.artifacts import Home
from orchestra_core.datasets import Dataset
from orchestra_core.errors import EarlyStop, TargetError
from orchestra_core.evaluation.jobs import Job
from orchestra_core.evaluation.metrics import Scorer
from orchestra_core.fingerprints import marked
from orchestra_core.journal.events import EventType
from orchestra_core.journal.recorder import Recorder
from orchestra_core.journal.sameness import changed_index
from orchestra_core.observation import Observation, Query, most_frequent
from orchestra_core.payloads import RungEvidence
from orchestra_core.plan import Configuration, Plan, StageName
from orchestra_core.plugins.calls import HookCalls
from orchestra_core.report import Decision
from orchestra_core.runner import Load, Runner, RunnerDescription
from orchestra_core.scheduling.budget import Budget
from orchestra_core.scheduling.health import ask, went_away
from orchestra_core.scheduling.source import UnitSource
from orchestra_core.scheduling.units import cut, probed


@dataclass
class RunContext:
    """One run in progress."""

    run_id: str
    home: Home
    plan: Plan
    dataset: Dataset
    description: RunnerDescription
    runner: Runner
    units: UnitSource
    calls: HookCalls
    recorder: Recorder
    scorer: Scorer
    budget: Budget
    queries: Mapping[str, Query] = field(default_factory=dict)

    @property
    def timeout_s(self) -> float:
        """Seconds that one call of the runner may take."""
        return self.plan.experiment.unit_timeout_s

    def new_jobs(self, stage: StageName, config_ids: Sequence[str]) -> dict[str, Job]:
        """An empty job per configuration."""
        return {c.config_id: Job(self.run_id, stage, c) for c in self.plan.select(config_ids)}

    def evaluate(
        self, jobs: Mapping[str, Job], stage: StageName, rung: int, query_ids: tuple[str, ...]
    ) -> None:
        """Ask every job's configuration for a block of queries, and score the answers.

        Raises what `check_target` raises; then the jobs have the block, failures included.
        """
        units = cut(
            stage,
            rung,
            list(jobs),
            query_ids,
            shares_work=self.description.shares_work,
            concurrency=self.plan.experiment.concurrency,
        )
        self.budget.check(sum(unit.size for unit in units))
        by_job: dict[str, list[Observation]] = {config_id: [] for config_id in jobs}
        try:
            for observations in self.units.evaluate(units):
                for observation in observations:
                    by_job[observation.config_id].append(observation)
        finally:
            self.units.flush()
        for config_id, job in jobs.items():
            job.add_block(query_ids, by_job[config_id], self.scorer)
        self.check_target()

    def probe(
        self,
        jobs: Mapping[str, Job],
        rung: int,
        config_id: str,
        query_ids: Sequence[str],
        load: Load,
    ) -> None:
        """Time one configuration on some queries, alone, and add the samples to its job.

        Call `check_target` when all were timed.
        """
        requests = len(query_ids) + load.warmup
        self.budget.check(requests)
        job = jobs[config_id]
        asked = [self.queries[query_id] for query_id in query_ids]
        call = partial(probed, self.runner, job.configuration)
        ask = partial(call, load=load, timeout_s=self.timeout_s)
        job.samples += self.units.probe((job.stage, rung), job.configuration, asked, load, ask)

    def check_target(self) -> None:
        """Raise HealthFailed when requests have failed and the target is not well now either.

        The step stays open then, so that a resumed run asks again what failed. A target that is well
        keeps its failures: neither a query nor a configuration that fails may end a run.
        """
        failures = self.units.take_failures()
        if not failures or (health := ask(self.runner)).ok:
            return
        error = went_away(failures, health, self.run_id)
        stage, rung = self.recorder.state.step or ("", 0)
        payload = {"error": error.as_payload(), "stage": stage, "rung": rung}
        self.recorder.record(EventType.HEALTH_FAIL, payload)
        raise error

    def finish_jobs(self, jobs: Iterable[Job]) -> None:
        """Write the jobs' folders, then say so in the journal.

        They are marked when the target's index is another than at the start, or nobody can say. None is
        written in a replay from which a result is missing.
        """
        if self.units.has_lost:
            return
        self.units.flush()
        done = []
        mark = self.look_at_index()
        for job in jobs:
            if fuller := self.recorder.fuller_job(job.job_id, len(job.query_ids)):
                self.recorder.restore(fuller)  # cut short before it was where it had been already
                continue
            known = self._changed_before(job.job_id) or mark
            summary = job.write(self.home, job.summary(self.home).model_copy(update=known))
            event = EventType.JOB_DONE if summary.status == "ok" else EventType.JOB_FAILED
            done.append((event, summary.model_dump(mode="json")))
        self.recorder.record_all(done)

    def look_at_index(self) -> dict[str, Any]:
        """`comparable` (None: the runner cannot say) and `not_comparable_because`, as in JOB_DONE."""
        return marked(self.recorder.state.started.get("fingerprint", {}), self.runner)

    def _changed_before(self, job_id: str) -> dict[str, Any] | None:
        """What an earlier sitting said of a job whose answers came from another index."""
        before = self.recorder.past.last_job(job_id) if self.recorder.past else None
        if before is None or not changed_index(before.payload):
            return None
        return {name: before.payload[name] for name in ("comparable", "not_comparable_because")}

    def reflect(self, evidence: RungEvidence) -> list[Decision]:
        """Ask all reflection plugins and record what they say."""
        self.units.flush()
        decisions = self.calls.reflect(evidence)
        self.recorder.record_all(
            (EventType.REFLECTION_DECISION, d.model_dump(mode="json")) for d in decisions
        )
        return decisions

    def baseline_and(self, config_id: str) -> tuple[Configuration, Configuration]:
        """The two arms of a comparison."""
        return self.plan.baseline, self.plan.configuration(config_id)


def stop_if_told(decisions: Sequence[Decision]) -> None:
    """Raise EarlyStop when a decision ends the whole run."""
    for decision in decisions:
        if decision.kind == "early_stop" and decision.scope == "run":
            raise EarlyStop(decision.reason)


def refuse_dead_target(jobs: Collection[Job], query_ids: Sequence[str]) -> None:
    """Raise TargetError when every request for these queries failed.

    Whatever reflection is installed: equal zeroes on both arms would read as "no difference".
    """
    reasons = Counter(reason for job in jobs for q in query_ids if (reason := job.failure_of(q)))
    if reasons.total() < len(jobs) * len(query_ids):
        return
    listed = ", ".join(f"{reason} ({count})" for reason, count in reasons.most_common(3))
    if told := most_frequent(failure for job in jobs for failure in job.failed):
        listed += f". {told}"
    raise TargetError(
        f"every one of {reasons.total()} requests failed: {listed}",
        hint="Look at the target; .runs/ holds each request's own message.",
        details={"failures": dict(reasons)},
    )
