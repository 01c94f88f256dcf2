"""Grid: the race. Rung by rung, every configuration still in it gets the same block of queries."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from orchestra_core.evaluation.jobs import Job
from orchestra_core.journal.events import EventType
from orchestra_core.plan import Plan
from orchestra_core.report import Decision, Rung
from orchestra_core.runner import Load
from orchestra_core.stages.conclusion import concluded, leading
from orchestra_core.stages.context import RunContext, refuse_dead_target, stop_if_told
from orchestra_core.stages.evidence import evidence_of, grid_evaluations_allowed


def run(context: RunContext) -> None:
    """Race the configurations; GRID_DONE names the leader.

    Raises EarlyStop, BudgetExhausted, HealthFailed.
    """
    stage = context.plan.stage("grid")
    alive = context.new_jobs("grid", stage.config_ids)
    everyone = dict(alive)
    most = min(grid_evaluations_allowed(context), len(alive) * len(stage.query_ids))
    context.recorder.record(EventType.GRID_STARTED, {"configurations": len(alive), "evaluations": most})
    try:
        for rung in range(len(stage.rungs)):
            block = _affordable(context, alive, rung)
            if not block:
                break
            alive, stop = _run_rung(context, alive, rung, block)
            if stop:
                break
    finally:
        context.finish_jobs(job for job in everyone.values() if job.query_ids)
    forced = [c for one in context.recorder.state.rungs for c in one["dropped_forced"]]
    context.recorder.record(EventType.GRID_DONE, concluded(context.plan, everyone, list(alive), forced))


def _run_rung(
    context: RunContext, alive: dict[str, Job], rung: int, block: tuple[str, ...]
) -> tuple[dict[str, Job], bool]:
    """One rung and its reflection: who survives, and whether the race ends."""
    stage = context.plan.stage("grid")
    evaluations = len(alive) * len(block)
    context.recorder.record(
        EventType.GRID_RUNG_STARTED,
        {"rung": rung, "queries": len(block), "entered": len(alive), "evaluations": evaluations},
    )
    context.evaluate(alive, "grid", rung, block)
    _probe_all(context, alive, rung, block[: stage.probes])
    following = stage.rungs[rung + 1] if rung + 1 < len(stage.rungs) else ()
    evidence = evidence_of(
        context,
        "grid",
        rung,
        len(stage.rungs),
        alive,
        best_so_far=context.recorder.state.best_by_rung,
        next_rung_queries=len(following) if _left(context) >= 2 else 0,  # two could not be told apart
    )
    decisions = context.reflect(evidence)
    survivors = surviving(list(alive), decisions)
    summary = summarise(context.plan, rung, alive, survivors, decisions, len(block))
    context.recorder.record(EventType.GRID_RUNG_DONE, summary.model_dump(mode="json"))
    stop_if_told(decisions)
    refuse_dead_target(alive.values(), block)
    stop = any(d.kind == "early_stop" for d in decisions)
    return {config_id: alive[config_id] for config_id in survivors}, stop


def surviving(alive: Sequence[str], decisions: Sequence[Decision]) -> list[str]:
    """Who goes on, in plan order: several shrinks intersect; if nobody is left, nobody is dropped.

    A stop is more severe than a shrink: then nobody is dropped either.
    """
    survivors = set(alive)
    if any(decision.kind == "early_stop" for decision in decisions):
        return list(alive)
    for decision in decisions:
        if decision.kind == "shrink":
            survivors &= set(decision.survivors)
    return [c for c in alive if c in survivors] or list(alive)


def _left(context: RunContext) -> int:
    return grid_evaluations_allowed(context) - context.recorder.state.grid_evaluations


def _affordable(context: RunContext, alive: dict[str, Job], rung: int) -> tuple[str, ...]:
    """The part of a rung's queries that the grid's budget allows; none: that decision is recorded."""
    whole = context.plan.stage("grid").rungs[rung]
    block = whole[: _left(context) // len(alive)]
    if block or rung == 0:
        return block or whole
    needed = len(alive) * len(whole)
    spent, allowed = context.recorder.state.grid_evaluations, grid_evaluations_allowed(context)
    decision = Decision(
        kind="early_stop",
        rule="grid_budget",
        plugin="core",
        reason=f"rung {rung + 1} would need {spent + needed} evaluations, {allowed} allowed",
        figures={"spent": spent, "needed": needed, "allowed": allowed},
    )
    payload = {**decision.model_dump(mode="json"), "stage": "grid", "rung": rung - 1}
    context.recorder.record(EventType.REFLECTION_DECISION, payload)
    return ()


def _probe_all(
    context: RunContext, alive: dict[str, Job], rung: int, query_ids: tuple[str, ...]
) -> None:
    """Time everybody apart from quality, one at a time; each rung the other way round.

    Where the runner has timed its answers itself, only a second objective needs it: those were timed
    while others were asked too.
    """
    load = Load(warmup=context.plan.stage("grid").warmup)
    always = context.plan.experiment.objective.minimize is not None
    for config_id in list(alive)[:: -1 if rung % 2 else 1]:
        if query_ids and (always or not _is_timed(alive[config_id])):
            context.probe(alive, rung, config_id, query_ids, load)
    context.check_target()


def _is_timed(job: Job) -> bool:
    # A target that tells only figures over a block can time no single request either.
    return job.aggregate_only or any(o.latency_ms is not None for o in job.observations.values())


def summarise(
    plan: Plan,
    rung: int,
    alive: Mapping[str, Job],
    survivors: Sequence[str],
    decisions: Sequence[Decision],
    queries: int,
) -> Rung:
    """What GRID_RUNG_DONE says of a rung of `queries`, given the jobs as they stood then."""
    objective = plan.experiment.objective
    certain = {config_id for decision in decisions for config_id in decision.certain}
    equivalent = {config_id for decision in decisions for config_id in decision.equivalent} - certain
    dropped = [config_id for config_id in alive if config_id not in set(survivors)]
    leader = leading([alive[config_id] for config_id in survivors], objective)
    return Rung(
        rung=rung,
        queries=len(leader.query_ids),
        entered=len(alive),
        survivors=tuple(survivors),
        dropped_certain=tuple(c for c in dropped if c in certain),
        dropped_equivalent=tuple(c for c in dropped if c in equivalent),
        dropped_forced=tuple(c for c in dropped if c not in certain | equivalent),
        best=leader.configuration.config_id,
        best_value=leader.metrics()[objective.maximize],
        evaluations=len(alive) * queries,
    )
