"""Publish: guards rule, policies are applied and verified, the winner enters the history."""

from __future__ import annotations

from typing import Any

from orchestra_core.errors import StorageError, TargetError
from orchestra_core.history import add_winner, read_history
from orchestra_core.journal.events import EventType, now
from orchestra_core.journal.recorder import Recorder
from orchestra_core.journal.sameness import changed_index, unknown_index
from orchestra_core.journal.state import RunState
from orchestra_core.payloads import GuardEvidence
from orchestra_core.policies import Policies
from orchestra_core.report import Ruling, Verdict, Winner
from orchestra_core.stages.context import RunContext
from orchestra_core.stages.select import metrics_of


def run(context: RunContext) -> None:
    """Publish the winner, or record why not. Raises what a policy raised, after rolling back.

    Raises TargetError when the runner cannot say whether its index is still that of the start.
    """
    context.recorder.record(EventType.PUBLISH_STARTED)
    state = context.recorder.state
    verdict = Verdict.model_validate(state.verdict, strict=False)
    winner = Winner.model_validate((state.selected or {})["winner"], strict=False)
    if told := _changed(context):
        _done(context, published=False, reason=f"{told}, so nothing can be compared", comparable=False)
        return
    if winner.is_baseline:
        _done(context, published=False, reason=f"the verdict is {verdict.kind}: {verdict.reason}")
        return
    denials = [r for r in _rule(context, verdict, winner) if r.kind == "deny"]
    if denials:
        told = "; ".join(f"{r.plugin} ({r.rule}): {r.reason}" for r in denials)
        _done(context, published=False, reason=f"denied by {told}", denied=True)
        return
    policies = Policies(
        context.calls,
        context.recorder,
        context.home,
        context.plan.experiment,
        winner,
        context.budget.left_s,
    )
    try:
        policies.apply()
        add_winner(context.home, winner_record(state, verdict, winner, now()))
    except BaseException as error:  # an interrupt or a full disk must not leave a policy in force
        if not _is_published(context):
            policies.roll_back(error)
        raise
    _done(context, published=True, reason=verdict.reason)


def _changed(context: RunContext) -> str:
    """How the index changed during the run; empty when it did not.

    A runner that could not say at the end of its last stage is asked once more.
    """
    state = context.recorder.state
    told = next(filter(None, map(changed_index, state.jobs.values())), "")
    if told or not unknown_index(state):
        return told
    seen = context.look_at_index()
    if seen["comparable"] is None:
        raise TargetError(
            f"whether the index changed during the run is not known: {seen['not_comparable_because']}",
            hint=f"When it is well again, orchestra resume {context.run_id} asks again, and publishes.",
        )
    return changed_index(seen)


def _rule(context: RunContext, verdict: Verdict, winner: Winner) -> list[Ruling]:
    baseline = metrics_of(context.recorder.state, context.plan.baseline.config_id)
    rulings = context.calls.guard(
        GuardEvidence("publish", context.run_id, context.plan, verdict, winner, baseline)
    )
    record_rulings(context.recorder, "publish", rulings)
    return rulings


def _is_published(context: RunContext) -> bool:
    """Whether an interrupt came just after the winner had entered the history."""
    try:
        return any(record["run_id"] == context.run_id for record in read_history(context.home))
    except StorageError:
        return False


def record_rulings(recorder: Recorder, point: str, rulings: list[Ruling]) -> None:
    """Write guards' rulings to the journal."""
    placed = [ruling.model_copy(update={"point": point}) for ruling in rulings]
    recorder.record_all((EventType.GUARD_RULING, r.model_dump(mode="json")) for r in placed)


def winner_record(state: RunState, verdict: Verdict, winner: Winner, timestamp: str) -> dict[str, Any]:
    """What the history keeps of a published winner."""
    decisions = state.decisions
    shaping = [d for d in decisions if d["kind"] != "keep"] or decisions  # as Report.grid_decision
    return {
        "run_id": state.run_id,
        "timestamp": timestamp,
        "winner": winner.model_dump(mode="json", include={"config_id", "parameters", "metrics"}),
        "ab_diff": [row.model_dump(mode="json") for row in verdict.diff_table],
        "grid_decision": dict(shaping[-1]) if shaping else None,
    }


def _done(
    context: RunContext,
    *,
    published: bool,
    reason: str,
    denied: bool = False,
    comparable: bool = True,
) -> None:
    told = {"published": published, "reason": reason, "denied": denied, "comparable": comparable}
    context.recorder.record(EventType.PUBLISH_DONE, told)
