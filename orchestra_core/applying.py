"""Policies of finished runs: put a published winner into force, undo it, tell which is.

Behind `orchestra policy`. What is done is written to the journal of the run whose winner it is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

from orchestra_core.artifacts import Home
from orchestra_core.errors import DataError, OrchestraError, TargetError, UsageError
from orchestra_core.history import broken_records, read_history
from orchestra_core.journal.events import EventType
from orchestra_core.journal.log import JournalReader
from orchestra_core.journal.memory import open_journal, remember
from orchestra_core.journal.skimming import skim
from orchestra_core.policies import Policies
from orchestra_core.report import Winner
from orchestra_core.scheduling.budget import Budget
from orchestra_core.session import Session
from orchestra_core.sitting import further_sitting

Standing = Literal["in force", "replaced", "rolled back", "not undone", "interrupted"]


@dataclass
class AppliedPolicy:
    """How one run's policy by one plugin stands."""

    plugin: str
    run_id: str
    config_id: str
    standing: Standing
    at: str
    """When it came to stand so: ISO 8601, UTC."""
    summary: str = ""
    """The plugin's own words."""


def applied_policies(home: Home) -> list[AppliedPolicy]:
    """Every policy that the journals of this home tell of, oldest first. Only read.

    The last one of a plugin that was applied and not undone is `in force`, those before it `replaced`.
    `not undone` and `interrupted` may be in force or not.
    """
    events: list[tuple[str, str, Mapping[str, Any]]] = []
    for run_id in home.run_ids():
        told = skim(JournalReader(home.journal(run_id))).policies
        events += [(payload["created_at"], run_id, payload) for payload in told]
    rows: dict[tuple[str, str], AppliedPolicy] = {}
    for at, run_id, payload in sorted(events, key=lambda event: event[0]):
        _take(rows, run_id, at, payload)
    found = sorted(rows.values(), key=lambda row: row.at)
    last = {row.plugin: row for row in found if row.standing == "in force"}
    for row in found:
        if row.standing == "in force" and row is not last[row.plugin]:
            row.standing = "replaced"
    return found


def apply_published(session: Session, run_id: str) -> list[AppliedPolicy]:
    """Put a run's published winner into force by the policies that are set now; how they stand then.

    Raises UsageError for a run that published nothing or where no policy is set, and what a policy
    raised, after everything was rolled back.
    """
    winner = _published(session.home, run_id)
    with _sitting_over(session, run_id, winner) as (policies, _):
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
    """Put back what was there before a run's policy; how its policies stand then.

    Raises UsageError where nothing is to be undone, or where a later run's policy is in force;
    TargetError where it could not be undone.
    """
    rows = applied_policies(session.home)
    later = [row for row in rows if row.standing == "in force" and row.run_id != run_id]
    replaced = {row.plugin for row in rows if (row.run_id, row.standing) == (run_id, "replaced")}
    if blocking := [row for row in later if row.plugin in replaced]:
        raise UsageError(
            f"the policy of {blocking[0].run_id} was applied after it",
            where=run_id,
            hint=f"Undo that one first: orchestra policy rollback {blocking[0].run_id}",
        )
    with _sitting_over(session, run_id, _selected(session.home, run_id)) as (policies, errors):
        for plugin in session.calls.policy_plugins():
            if (undo := policies.recorder.intended_policy(plugin)) is not None:
                policies.asked[plugin] = undo
        if not policies.asked:
            raise UsageError(
                "no policy of it is in force", where=run_id, hint="See: orchestra policy show"
            )
        if not policies.roll_back(None):
            told = errors[0] if errors else TargetError("the plugin cannot undo what it applied")
            raise TargetError(f"it was not undone: {told}", where=run_id, hint=told.hint)
    return _of(session.home, run_id)


@contextmanager
def _sitting_over(
    session: Session, run_id: str, winner: Winner
) -> Iterator[tuple[Policies, list[OrchestraError]]]:
    """The policies of a run whose lock is held; errors of plugins go to its journal and the list."""
    errors: list[OrchestraError] = []
    with further_sitting(session.home, run_id, []) as sitting:
        recorder = sitting.recorder

        def note(error: OrchestraError) -> None:
            errors.append(error)
            recorder.record_safely(EventType.PLUGIN_ERROR, {"error": error.as_payload()})

        session.calls.on_error = note
        left_s = Budget(session.experiment.limits).left_s
        one = Policies(session.calls, recorder, session.home, session.experiment, winner, left_s)
        yield one, errors
    remember(session.home, run_id)


def _take(
    rows: dict[tuple[str, str], AppliedPolicy], run_id: str, at: str, payload: Mapping[str, Any]
) -> None:
    key, kind = (payload["plugin"], run_id), payload["event_type"]
    known = rows.get(key)
    if kind == "POLICY_INTENT":
        if "undo" in payload:
            rows[key] = AppliedPolicy(*key, payload["config_id"], "interrupted", at)
    elif kind == "POLICY_APPLIED":
        if payload.get("in_force_already") and known and known.standing == "in force":
            return  # it has stood so since then
        config_id = payload.get("config_id") or (known.config_id if known else "")
        rows[key] = AppliedPolicy(*key, config_id, "in force", at, payload["summary"])
    elif known is not None:
        known.standing, known.at = "rolled back" if payload["undone"] else "not undone", at


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
