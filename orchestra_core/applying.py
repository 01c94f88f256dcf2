"""Policies of finished runs: put a published winner into force, undo it, tell which is.

Behind `orchestra policy`. What is done is written to the journal of the run whose winner it is.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from orchestra_core.artifacts import Home
from orchestra_core.errors import DataError, OrchestraError, TargetError, UsageError
from orchestra_core.history import broken_records, read_history
from orchestra_core.journal.applied import MAY_STAND, StandingPolicy, standing_policies
from orchestra_core.journal.events import EventType
from orchestra_core.journal.log import JournalReader
from orchestra_core.journal.memory import open_journal, remember
from orchestra_core.journal.skimming import skim
from orchestra_core.policies import Asked, Policies
from orchestra_core.report import Winner
from orchestra_core.scheduling.budget import Budget
from orchestra_core.session import Session
from orchestra_core.sitting import further_sitting


@dataclass
class AppliedPolicy(StandingPolicy):
    """How one policy of a run stands among all of a home."""

    run_id: str = ""


def applied_policies(home: Home) -> list[AppliedPolicy]:
    """Every policy that the journals of this home tell of, in the order of `at`. Only read.

    The last one of a plugin at a place that was applied and not undone is `in force`, those before it
    `replaced`. `not undone` and `interrupted` may be in force or not.
    """
    found = [
        AppliedPolicy(**vars(policy), run_id=run_id)
        for run_id in home.run_ids()
        for policy in standing_policies(skim(JournalReader(home.journal(run_id))).policies)
    ]
    found.sort(key=lambda row: row.at)
    last = {_spot(row): row for row in found if row.standing == "in force"}
    for row in found:
        if row.standing == "in force" and row is not last[_spot(row)]:
            row.standing = "replaced"
    return found


def _spot(row: AppliedPolicy) -> tuple[str, str]:
    return row.plugin, row.place


def apply_published(session: Session, run_id: str) -> list[AppliedPolicy]:
    """Put a run's published winner into force by the policies that are set now; how they stand then.

    Raises UsageError for a run that published nothing or where no policy is set, and what a policy
    raised, after everything was rolled back.
    """
    winner = _published(session.home, run_id)
    with _sitting_over(session, run_id, winner) as policies:
        if not session.calls.policy_plugins():
            raise UsageError(
                "no policy is set, so there is nothing to put into force",
                hint="For example: --set plugins.fiqa.policy.file=policy.json",
            )
        try:
            policies.apply(again=True)
        except BaseException as error:
            policies.roll_back(error)
            raise
    return _of(session.home, run_id)


def roll_back_published(session: Session, run_id: str) -> list[AppliedPolicy]:
    """Put back what was there before a run's last policy at each place; how its policies stand then.

    Raises UsageError where nothing is to be undone, or where a later run's policy is in force;
    TargetError where it could not be undone.
    """
    rows = applied_policies(session.home)
    own = [row for row in rows if row.run_id == run_id]
    replaced = {_spot(row) for row in own if row.standing == "replaced"}
    later = [row for row in rows if row.standing == "in force" and row.run_id != run_id]
    if blocking := [row for row in later if _spot(row) in replaced]:
        raise UsageError(
            f"the policy of {blocking[0].run_id} was applied after it",
            where=run_id,
            hint=f"Undo that one first: orchestra policy rollback {blocking[0].run_id}",
        )
    standing = [row for row in own if row.standing in MAY_STAND]
    with _sitting_over(session, run_id, _selected(session.home, run_id)) as policies:
        known = session.calls.policy_plugins()
        policies.asked = [Asked(row.plugin, row.undo) for row in standing if row.plugin in known]
        if not policies.asked:
            raise UsageError(
                "no policy of it is in force", where=run_id, hint="See: orchestra policy show"
            )
        if refused := policies.roll_back(None):
            told = refused[0]
            if isinstance(told, UsageError):
                raise told
            raise TargetError(f"it was not undone: {told}", where=run_id, hint=told.hint)
    return _of(session.home, run_id)


@contextmanager
def _sitting_over(session: Session, run_id: str, winner: Winner) -> Iterator[Policies]:
    """The policies of a run whose lock is held; errors of plugins go to its journal."""
    with further_sitting(session.home, run_id, []) as sitting:
        recorder = sitting.recorder

        def note(error: OrchestraError) -> None:
            recorder.record_safely(EventType.PLUGIN_ERROR, {"error": error.as_payload()})

        session.calls.on_error = note
        left_s = Budget(session.experiment.limits).left_s
        yield Policies(session.calls, recorder, session.home, session.experiment, winner, left_s)
    remember(session.home, run_id)


def _of(home: Home, run_id: str) -> list[AppliedPolicy]:
    return [row for row in applied_policies(home) if row.run_id == run_id]


def _published(home: Home, run_id: str) -> Winner:
    """The winner as run and history say it. Raises UsageError, DataError where they differ."""
    records = read_history(home)
    record = next((r for r in records if r["run_id"] == run_id), None)
    if record is None:
        raise UsageError("it has published no winner", where=run_id, hint="See: orchestra winners show")
    winner = _selected(home, run_id)
    told = record.get("winner") or {}
    same = (told.get("config_id"), told.get("parameters")) == (winner.config_id, winner.parameters)
    if run_id in broken_records(records) or not same:
        raise DataError(
            "its record in the history of winners was altered",
            where=run_id,
            hint="Look at it with: orchestra winners verify",
        )
    return winner


def _selected(home: Home, run_id: str) -> Winner:
    state = skim(open_journal(home, run_id))
    if state.selected is None:
        raise UsageError("it has selected no winner", where=run_id)
    return Winner.model_validate(state.selected["winner"], strict=False)
