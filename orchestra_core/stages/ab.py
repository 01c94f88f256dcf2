"""A/B: the grid's leader against the baseline, on confirmation queries that nobody tuned on.

Quality is paired per query; an inconclusive result takes the remaining confirmation queries, the
error being spent over the looks. Latency is timed apart, both arms interleaved A B B A.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import accumulate

from orchestra_core.errors import BudgetExhausted
from orchestra_core.evaluation.jobs import Job
from orchestra_core.journal.events import EventType
from orchestra_core.report import Verdict
from orchestra_core.scheduling.load import block_size
from orchestra_core.stages.context import RunContext, refuse_dead_target
from orchestra_core.stages.verdict import decide, errors_of, nothing_to_compare

INTERLEAVE = 10


def run(context: RunContext) -> None:
    """Compare, and record the VERDICT. Raises BudgetExhausted, HealthFailed, StatisticsError."""
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
        known = context.recorder.state.jobs.values()
        verdict = nothing_to_compare(context.plan.experiment, baseline.config_id, known)
    else:
        verdict = _compare(context, baseline.config_id, challenger.config_id)
    context.recorder.record(EventType.VERDICT, verdict.model_dump(mode="json"))
    context.recorder.record(EventType.AB_DONE, {"warnings": list(verdict.warnings)})


def _compare(context: RunContext, baseline: str, challenger: str) -> Verdict:
    jobs = context.new_jobs("ab", [baseline, challenger])
    try:
        return decide(context.plan, context.dataset, _asked(context, jobs, baseline, challenger))
    finally:
        context.finish_jobs(job for job in jobs.values() if job.query_ids)


def _asked(
    context: RunContext, jobs: dict[str, Job], baseline: str, challenger: str
) -> Iterator[tuple[Job, Job]]:
    """Both arms after each further block of queries; the first block is timed too.

    A limit that is reached before a later look ends the A/B with what was judged until then.
    """
    stage, judged = context.plan.stage("ab"), accumulate(errors_of(context.plan), initial=0.0)
    for look, (block, spent) in enumerate(zip(stage.rungs, judged, strict=False)):
        try:
            context.evaluate(jobs, "ab", look, block)
        except BudgetExhausted:
            if not spent:  # no look could test so far, so there is no verdict to keep
                raise
            return
        refuse_dead_target(jobs.values(), block)
        if look == 0 and not any(job.aggregate_only for job in jobs.values()):
            _probe_interleaved(context, jobs, baseline, challenger, block[: stage.probes])
        yield jobs[baseline], jobs[challenger]


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
    context.check_target()
