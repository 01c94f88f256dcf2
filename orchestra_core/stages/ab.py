"""A/B: the grid's leader against the baseline, on confirmation queries that nobody tuned on.

Quality is paired per query; an inconclusive result takes the remaining confirmation queries, the
error being spent over the looks. Latency is timed apart, both arms interleaved A B B A.
"""

from __future__ import annotations

import numpy as np

from orchestra_core.evaluation.jobs import Job
from orchestra_core.journal.events import EventType
from orchestra_core.report import Verdict
from orchestra_core.runner import Load
from orchestra_core.stages.comparison import quality_rows, timing_rows
from orchestra_core.stages.context import RunContext, stopwatch
from orchestra_core.statistics.spending import queries_needed, spend, ties_needed
from orchestra_core.statistics.verdict import Settled, settle

INTERLEAVE = 10
WARMUP = 5
TEST = (
    "paired by query; BCa bootstrap interval (9,999 resamples); sign-flip randomisation p-value, Holm "
    "over quality metrics; latency percentiles by paired bootstrap over interleaved A B B A requests"
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
        verdict = _nothing_to_compare(context, baseline.config_id)
    else:
        verdict = _compare(context, baseline.config_id, challenger.config_id)
    context.recorder.record(EventType.VERDICT, verdict.model_dump(mode="json"))
    context.recorder.record(EventType.AB_DONE, {"warnings": list(verdict.warnings)})


def _compare(context: RunContext, baseline: str, challenger: str) -> Verdict:
    stage = context.plan.stage("ab")
    jobs = context.new_jobs("ab", [baseline, challenger])
    section = context.plan.experiment.stages.ab
    sizes = list(np.cumsum([len(rung) for rung in stage.rungs]))
    errors = spend(1 - section.confidence, [int(size) for size in sizes])
    try:
        for look, (block, error) in enumerate(zip(stage.rungs, errors, strict=True)):
            context.evaluate(jobs, "ab", look, block)
            if look == 0:
                _probe_interleaved(context, jobs, baseline, challenger, block[: stage.probes])
            verdict = _judge(context, jobs[baseline], jobs[challenger], 1 - error, look + 1)
            if verdict.kind != "inconclusive" or verdict.queries_needed is None:
                break
    finally:
        context.finish_jobs(job for job in jobs.values() if job.query_ids)
    return verdict


def _judge(
    context: RunContext, baseline: Job, challenger: Job, confidence: float, looks: int
) -> Verdict:
    experiment = context.plan.experiment
    objective = experiment.objective.maximize
    section = experiment.stages.ab
    quality = quality_rows(baseline, challenger, objective, confidence, experiment.seed)
    others = timing_rows(baseline, challenger, section.margin, section.confidence, experiment.seed)
    first = quality[0]
    epsilon = experiment.stages.grid.epsilon
    settled = settle(first, others, section.margin, epsilon)
    settled = _doubt_untimed(settled, baseline, challenger)
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
    half_width = ((row.ci_high or 0.0) - (row.ci_low or 0.0)) / 2
    return queries_needed(row.delta or 0.0, half_width, verdict.queries, epsilon)


def _doubt_untimed(settled: Settled, baseline: Job, challenger: Job) -> Settled:
    """A win whose timed requests all failed has not shown that its margins hold."""
    asked = [*baseline.samples, *challenger.samples]
    if settled.kind != "win" or not asked or not all(s.failure for s in asked):
        return settled
    reason = f"{settled.reason}, but every timed request failed"
    return Settled("inconclusive", reason, False, settled.warnings)


def _probe_interleaved(
    context: RunContext,
    jobs: dict[str, Job],
    baseline: str,
    challenger: str,
    query_ids: tuple[str, ...],
) -> None:
    """A B B A over blocks of queries, so that a drift of the machine's speed meets both arms alike."""
    began = stopwatch()
    for start in range(0, len(query_ids), INTERLEAVE):
        block = query_ids[start : start + INTERLEAVE]
        turned = (start // INTERLEAVE) % 2 == 1
        for arm in (challenger, baseline) if turned else (baseline, challenger):
            context.probe(jobs, arm, block, Load(warmup=WARMUP if start == 0 else 0))
    samples = [*jobs[baseline].samples, *jobs[challenger].samples]
    context.record_probes("ab", 0, samples, stopwatch() - began)


def _failure_warnings(baseline: Job, challenger: Job) -> list[str]:
    found = []
    for name, job in (("baseline", baseline), ("challenger", challenger)):
        if count := job.failures.total():
            found.append(f"{count} of the {name}'s queries failed and score zero")
    return found


def _nothing_to_compare(context: RunContext, config_id: str) -> Verdict:
    return Verdict(
        kind="no_difference",
        reason="the grid found nothing better than the baseline itself",
        metric=context.plan.experiment.objective.maximize,
        baseline=config_id,
        challenger=config_id,
        test="none: the arms are one configuration",
    )
