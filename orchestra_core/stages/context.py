"""What every stage works with: ask the target, score, record, reflect."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from orchestra_core.artifacts import Home
from orchestra_core.datasets import Dataset
from orchestra_core.errors import EarlyStop, TargetError
from orchestra_core.evaluation.jobs import Job
from orchestra_core.evaluation.metrics import Scorer
from orchestra_core.fingerprints import changes
from orchestra_core.journal.events import EventType
from orchestra_core.journal.recorder import Recorder
from orchestra_core.observation import LatencySample, Observation, Query, Unit, UnitResult
from orchestra_core.payloads import Executor, RungEvidence
from orchestra_core.plan import Configuration, Plan, StageName
from orchestra_core.plugins.calls import HookCalls
from orchestra_core.report import Decision
from orchestra_core.runner import Load, Runner, RunnerDescription
from orchestra_core.scheduling.budget import Budget
from orchestra_core.scheduling.units import (
    count_failures,
    cut,
    evaluator,
    failed_observations,
    probed,
)


@dataclass
class RunContext:
    """One run in progress."""

    run_id: str
    home: Home
    plan: Plan
    dataset: Dataset
    description: RunnerDescription
    runner: Runner
    executor: Executor
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
        """Ask every job's configuration for a block of queries, and score the answers."""
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
        evaluate = evaluator(self.runner, self.plan, self.queries)
        for result in self.executor.run(units, evaluate):
            for observation in self._take(result):
                by_job[observation.config_id].append(observation)
            self.budget.check()
        for config_id, job in jobs.items():
            job.add_block(query_ids, by_job[config_id], self.scorer)

    def probe(
        self,
        jobs: Mapping[str, Job],
        rung: int,
        config_id: str,
        query_ids: Sequence[str],
        load: Load,
    ) -> None:
        """Time one configuration on some queries, alone, and add the samples to its job."""
        requests = len(query_ids) + load.warmup
        self.budget.check(requests)
        job = jobs[config_id]
        asked = [self.queries[query_id] for query_id in query_ids]
        began = stopwatch()
        samples = probed(self.runner, job.configuration, asked, load, self.timeout_s)
        job.samples += samples
        self._spent(
            EventType.UNIT_DONE,
            {
                "stage": job.stage,
                "rung": rung,
                "kind": "probe",
                "configurations": 1,
                "queries": len(query_ids),
                "requests": requests,
                "repetitions": _repetitions(samples),
                "cost_usd": _cost(samples),
                "failures": count_failures(samples),
                "seconds": round(stopwatch() - began, 6),
            },
        )

    def finish_jobs(self, jobs: Iterable[Job]) -> None:
        """Write the jobs' folders, then say so in the journal.

        When the target's index is no longer what it was at the start, the jobs are marked.
        """
        done = []
        changed = changes(self.recorder.state.started.get("fingerprint", {}), self.runner)
        mark = {"comparable": not changed, "not_comparable_because": changed}
        for job in jobs:
            summary = job.write(self.home, job.summary(self.home).model_copy(update=mark))
            event = EventType.JOB_DONE if summary.status == "ok" else EventType.JOB_FAILED
            done.append((event, summary.model_dump(mode="json")))
        self.recorder.record_all(done)

    def reflect(self, evidence: RungEvidence) -> list[Decision]:
        """Ask all reflection plugins and record what they say."""
        decisions = self.calls.reflect(evidence)
        self.recorder.record_all(
            (EventType.REFLECTION_DECISION, d.model_dump(mode="json")) for d in decisions
        )
        return decisions

    def baseline_and(self, config_id: str) -> tuple[Configuration, Configuration]:
        """The two arms of a comparison."""
        return self.plan.baseline, self.plan.configuration(config_id)

    def _take(self, result: UnitResult) -> tuple[Observation, ...]:
        failed = result.error is not None
        observations = failed_observations(result) if failed else result.observations
        payload: dict[str, Any] = {
            **_unit_payload(result.unit),
            "repetitions": _repetitions(observations),
            "cost_usd": _cost(observations),
            "failures": count_failures(observations),
            "seconds": round(result.seconds, 6),
        }
        if failed:
            payload["error"] = dict(result.error or {})
            if payload["error"]["type"] == "timeout":
                self.recorder.record(EventType.RUNNER_TIMEOUT, {"error": payload["error"]})
        self._spent(EventType.UNIT_FAILED if failed else EventType.UNIT_DONE, payload)
        return observations

    def _spent(self, event_type: EventType, payload: Mapping[str, Any]) -> None:
        self.recorder.record(event_type, payload)
        self.budget.spend(payload["requests"] + payload["repetitions"], payload["cost_usd"])


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
    raise TargetError(
        f"every one of {reasons.total()} requests failed: {listed}",
        hint="Look at the target; .runs/ holds each request's own message.",
        details={"failures": dict(reasons)},
    )


def stopwatch() -> float:
    """Seconds on a monotonic clock."""
    return time.perf_counter()


def _unit_payload(unit: Unit) -> dict[str, Any]:
    return {
        "stage": unit.stage,
        "rung": unit.rung,
        "kind": "evaluate",
        "configurations": len(unit.config_ids),
        "queries": len(unit.query_ids),
        "requests": unit.size,
    }


def _repetitions(items: Iterable[Observation | LatencySample]) -> int:
    return sum(max(0, item.attempts - 1) for item in items)


def _cost(items: Iterable[Observation | LatencySample]) -> float:
    return float(sum(item.cost for item in items if item.cost is not None))
