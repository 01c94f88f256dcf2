"""A/B: the grid's leader against the baseline, on confirmation queries that nobody tuned on.

Quality is paired per query; latency is timed apart, on the same queries, both arms interleaved A B B A.
A result that is inconclusive, by whichever of them, takes the remaining confirmation queries, the error
being spent over the looks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import accumulate

from orchestra_core.errors import BudgetExhausted
from orchestra_core.evaluation.jobs import Job
from orchestra_core.journal.events import EventType
from orchestra_core.report import Verdict
from orchestra_core.scheduling.load import block_size, most_clients
from orchestra_core.stages.context import RunContext, refuse_dead_target
from orchestra_core.stages.verdict import decide, errors_of, nothing_to_compare

INTERLEAVE = 10


def run(context: RunContext) -> None:
    """Compare, and record the VERDICT. Raises BudgetExhausted, HealthFailed, StatisticsError."""
    baseline, challenger = context.baseline_and(context.recorder.state.leader)
    same = baseline.config_id == challenger.config_id
    context.recorder.record(
        EventType.AB_STARTED,
        {
            "baseline": baseline.config_id,
            "challenger": challenger.config_id,
            "evaluations": 0 if same else 2 * len(context.plan.stage("ab").query_ids),
        },
    )
    if same:
        known = context.recorder.state.jobs.values()
        verdict = nothing_to_compare(context.plan.experiment, baseline.config_id, known)
    else:
        verdict = _compare(context, baseline.config_id, challenger.config_id)
    context.recorder.record(EventType.VERDICT, verdict.model_dump(mode="json"))
    context.recorder.record(EventType.AB_DONE, {"warnings": list(verdict.warnings)})


def _compare(context: RunContext, baseline: str, challenger: str) -> Verdict:
    jobs = context.new_jobs("ab", [baseline, challenger])
    try:
        return decide(context.plan, context.dataset, _asked(context, jobs, (baseline, challenger)))
    finally:
        context.finish_jobs(job for job in jobs.values() if job.query_ids)


def _asked(
    context: RunContext, jobs: dict[str, Job], arms: tuple[str, str]
) -> Iterator[tuple[Job, Job]]:
    """Both arms after each further block of queries, which is timed too.

    A limit that is reached before a later look ends the A/B with what was judged until then, and with
    the jobs as they were then.
    """
    stage, judged = context.plan.stage("ab"), accumulate(errors_of(context.plan), initial=0.0)
    for look, (block, spent) in enumerate(zip(stage.rungs, judged, strict=False)):
        before = [job.only(job.query_ids) for job in jobs.values()]
        try:
            context.evaluate(jobs, "ab", look, block)
            refuse_dead_target(jobs.values(), block)
            _probe_interleaved(context, jobs, look, arms, block[: stage.probes])
        except BudgetExhausted:
            if not spent:  # no look could test so far, so there is no verdict to keep
                raise
            jobs.update(zip(jobs, before, strict=True))
            return
        asked = [jobs[arm].only(jobs[arm].query_ids) for arm in arms]
        yield asked[0], asked[1]


def _probe_interleaved(
    context: RunContext,
    jobs: dict[str, Job],
    look: int,
    arms: tuple[str, str],
    query_ids: tuple[str, ...],
) -> None:
    """A B B A over blocks of queries, so that a drift of the machine's speed meets both arms alike.

    Nothing is timed where an arm tells figures of whole blocks only, or where the queries are too few
    to keep the load's clients busy: it would be another load.
    """
    experiment, stage = context.plan.experiment, context.plan.stage("ab")
    section = experiment.stages.ab.load
    if any(job.aggregate_only for job in jobs.values()):
        return
    if most_clients(len(query_ids)) < section.concurrency:
        return
    load = section.as_load(stage.warmup, experiment.seed)
    size = block_size(load, len(query_ids), INTERLEAVE)
    earlier = len(jobs[arms[0]].query_ids) - len(stage.rungs[look])
    for turn, start in enumerate(range(0, len(query_ids), size)):
        # Both arms meet a block at the same moments: the same queries, gaps and seed.
        seed = experiment.seed + earlier + start
        load = replace(load, warmup=0 if start else stage.warmup, seed=seed)
        for arm in reversed(arms) if turn % 2 else arms:
            context.probe(jobs, look, arm, query_ids[start : start + size], load)
    context.check_target()
