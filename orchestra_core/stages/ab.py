"""A/B: the grid's leader against the baseline, on confirmation queries that nobody tuned on.

Quality is paired per query; an inconclusive result takes the remaining confirmation queries, the
error being spent over the looks. Latency is timed apart, both arms interleaved A B B A.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from orchestra_core.errors import MisalignedQueries
from orchestra_core.evaluation.jobs import Job
from orchestra_core.experiment import Experiment
from orchestra_core.journal.events import EventType
from orchestra_core.plan import Plan
from orchestra_core.report import Verdict
from orchestra_core.scheduling.load import block_size
from orchestra_core.stages.comparison import quality_rows, timing_rows
from orchestra_core.stages.context import RunContext, refuse_dead_target
from orchestra_core.statistics.spending import queries_needed, spend, ties_needed
from orchestra_core.statistics.verdict import Settled, settle

MAX_FAILED_SHARE = 0.3
"""More failed queries than this in an arm, and the A/B claims nothing."""
MAX_UNTIMED_SHARE = 0.05
"""More failed timed requests than this in an arm, and its margins are not shown to hold."""
INTERLEAVE = 10
TEST = (
    "paired by query; empirical likelihood interval for bounded differences; sign-flip randomisation "
    "p-value, Holm over quality metrics; latency percentiles by paired bootstrap over interleaved "
    "A B B A requests"
)


def run(context: RunContext) -> None:
    """Compare, and record the VERDICT. Raises BudgetExhausted, StatisticsError."""
    baseline, challenger = context.baseline_and(context.recorder.state.leader)
    context.recorder.record(
        EventType.AB_STARTED,
        {
            "baseline": baseline.config_id,
            "challenger": challenger.config_id,
            "evaluations": 2 * len(context.plan.stage("ab").rungs[0]),
        },
    )
    if baseline.config_id == challenger.config_id:
        verdict = nothing_to_compare(context.plan.experiment, baseline.config_id)
    else:
        verdict = _compare(context, baseline.config_id, challenger.config_id)
    context.recorder.record(EventType.VERDICT, verdict.model_dump(mode="json"))
    context.recorder.record(EventType.AB_DONE, {"warnings": list(verdict.warnings)})


def _compare(context: RunContext, baseline: str, challenger: str) -> Verdict:
    stage = context.plan.stage("ab")
    jobs = context.new_jobs("ab", [baseline, challenger])
    experiment = context.plan.experiment
    try:
        levels = confidences(context.plan)
        for look, (block, confidence) in enumerate(zip(stage.rungs, levels, strict=True)):
            context.evaluate(jobs, "ab", look, block)
            refuse_dead_target(jobs.values(), block)
            if look == 0:
                _probe_interleaved(context, jobs, baseline, challenger, block[: stage.probes])
            if confidence == 1:  # too early to test at any level that resampling resolves
                continue
            verdict = judge(experiment, jobs[baseline], jobs[challenger], confidence, look + 1)
            if _settles(verdict):
                break
    finally:
        context.finish_jobs(job for job in jobs.values() if job.query_ids)
    return verdict


def confidences(plan: Plan) -> list[float]:
    """The confidence of each look, so that all looks together keep the experiment's."""
    sizes = np.cumsum([len(rung) for rung in plan.stage("ab").rungs])
    errors = spend(1 - plan.experiment.stages.ab.confidence, [int(size) for size in sizes])
    return [1 - error for error in errors]


def replay(plan: Plan, baseline: Job, challenger: Job) -> Verdict:
    """The verdict that a finished A/B came to, look by look, from its two jobs.

    Raises MisalignedQueries, TooFewQueries.
    """
    asked: tuple[str, ...] = ()
    if baseline.query_ids != challenger.query_ids:
        raise MisalignedQueries("the A/B's arms were not asked the same queries")
    for look, (block, level) in enumerate(
        zip(plan.stage("ab").rungs, confidences(plan), strict=True), 1
    ):
        asked += block
        if level == 1:
            continue
        arms = baseline.only(asked), challenger.only(asked)
        verdict = judge(plan.experiment, *arms, level, look)
        if _settles(verdict) or asked == baseline.query_ids:
            return verdict
    raise MisalignedQueries("the A/B's queries are not those of the plan")


def _settles(verdict: Verdict) -> bool:
    """Whether no further query could change the verdict."""
    return verdict.kind != "inconclusive" or verdict.queries_needed is None


def judge(
    experiment: Experiment, baseline: Job, challenger: Job, confidence: float, looks: int
) -> Verdict:
    """The verdict on two jobs over the same queries; the same jobs give it to the last digit.

    Raises MisalignedQueries, TooFewQueries.
    """
    objective = experiment.objective.maximize
    section = experiment.stages.ab
    quality, p_value = quality_rows(baseline, challenger, objective, confidence, experiment.seed)
    others = timing_rows(baseline, challenger, section.margin, section.confidence, experiment.seed)
    first = quality[0]
    epsilon = experiment.stages.grid.epsilon
    settled = settle(first, p_value, others, section.margin, epsilon)
    settled = doubt_failures(settled, baseline, challenger)
    difference = challenger.scores[objective] - baseline.scores[objective]
    verdict = Verdict(
        kind=settled.kind,
        reason=settled.reason,
        metric=objective,
        baseline=baseline.configuration.config_id,
        challenger=challenger.configuration.config_id,
        queries=len(baseline.query_ids),
        looks=looks,
        confidence=confidence,
        diff_table=(*quality, *others),
        wins=int((difference > 0).sum()),
        ties=int((difference == 0).sum()),
        losses=int((difference < 0).sum()),
        test=TEST,
        warnings=(*settled.warnings, *_failure_warnings(baseline, challenger)),
    )
    return verdict.model_copy(update={"queries_needed": _needed(settled, verdict, epsilon)})


def _needed(settled: Settled, verdict: Verdict, epsilon: float) -> int | None:
    """More queries settle a question of quality; a question of margins needs more timing."""
    if settled.kind != "inconclusive" or not settled.by_quality:
        return None
    row = verdict.diff_table[0]
    if verdict.ties == verdict.queries:
        return ties_needed(verdict.confidence, epsilon)
    low, high = row.ci_low or 0.0, row.ci_high or 0.0
    return queries_needed(row.delta or 0.0, low, high, verdict.queries, epsilon)


def doubt_failures(settled: Settled, baseline: Job, challenger: Job) -> Settled:
    """No claim rests on requests that failed, nor on the quick ones that were left."""
    for name, job in (("baseline", baseline), ("challenger", challenger)):
        failed = job.failures.total() / max(1, len(job.query_ids))
        untimed = sum(s.failure is not None for s in job.samples) / max(1, len(job.samples))
        if failed > MAX_FAILED_SHARE:
            told = f"{failed:.0%} of the {name}'s queries failed"
        elif untimed > MAX_UNTIMED_SHARE and settled.kind == "win":
            told = f"{untimed:.0%} of the {name}'s timed requests failed"
        else:
            continue
        return Settled("inconclusive", f"{settled.reason}, but {told}", False, settled.warnings)
    return settled


def _probe_interleaved(
    context: RunContext,
    jobs: dict[str, Job],
    baseline: str,
    challenger: str,
    query_ids: tuple[str, ...],
) -> None:
    """A B B A over blocks of queries, so that a drift of the machine's speed meets both arms alike."""
    experiment = context.plan.experiment
    load = experiment.stages.ab.load.as_load(context.plan.stage("ab").warmup, experiment.seed)
    size = block_size(load, len(query_ids), INTERLEAVE)
    for turn, start in enumerate(range(0, len(query_ids), size)):
        # Both arms meet a block at the same moments: the same queries, gaps and seed.
        load = replace(load, warmup=0 if start else load.warmup, seed=experiment.seed + start)
        for arm in (challenger, baseline) if turn % 2 else (baseline, challenger):
            context.probe(jobs, 0, arm, query_ids[start : start + size], load)


def _failure_warnings(baseline: Job, challenger: Job) -> list[str]:
    found = []
    for name, job in (("baseline", baseline), ("challenger", challenger)):
        if count := job.failures.total():
            found.append(f"{count} of the {name}'s queries failed and score zero")
    return found


def nothing_to_compare(experiment: Experiment, config_id: str) -> Verdict:
    """The verdict when the grid led to the baseline itself."""
    return Verdict(
        kind="no_difference",
        reason="the grid found nothing better than the baseline itself, so no A/B was needed; "
        "this rests on tuning queries alone",
        metric=experiment.objective.maximize,
        baseline=config_id,
        challenger=config_id,
        test="none: the arms are one configuration",
    )
