"""Whether a start repeats a run, and whether a run can be gone on with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from orchestra_core.artifacts import Home
from orchestra_core.datasets import Dataset
from orchestra_core.errors import AlreadyRun, InfrastructureError, RunChanged, RunInUse
from orchestra_core.exit_codes import exit_code_of
from orchestra_core.fingerprints import (
    dataset_differences,
    fingerprint_of,
    index_differences,
    start_hash,
    target_differences,
)
from orchestra_core.journal.lock import RunLock
from orchestra_core.journal.memory import entries, load_state
from orchestra_core.journal.state import RunState
from orchestra_core.liveness import process_is_gone
from orchestra_core.plan import Plan
from orchestra_core.session import Session

PATIENCE_S = 30.0
"""How long a start waits for another one: both only plan and look, nothing is asked meanwhile."""
_NOWHERE = "nothing"
_PLACES = "paths"
"""The section that says where files lie; a home may move."""


def refuse_repetition(session: Session, plan: Plan, dataset: Dataset) -> None:
    """Raise AlreadyRun when the same experiment, on the same data and plugins, is running or done.

    A run that failed, was interrupted or has no usable verdict is not done. What the target's index
    holds is not known before it is opened, so it is not compared.
    """
    wanted = start_hash(fingerprint_of(plan, dataset, session.host.records(), {}))
    home = session.home
    for entry in reversed(entries(home)):
        if entry["start_hash"] != wanted or entry["status"] not in {"running", "completed"}:
            continue
        state = load_state(home, str(entry["run_id"]))
        if state.status == "running" and not process_is_gone(home, state):
            told, hint = "is running", f"Follow it with: orchestra events {state.run_id} --follow"
        elif state.status == "completed" and exit_code_of(state) != InfrastructureError.exit_code:
            told, hint = "was done", f"Look at it with: orchestra status {state.run_id}"
        else:
            continue
        raise AlreadyRun(
            f"This very experiment {told} as {state.run_id}",
            hint=f"{hint}. With --again it is run once more.",
            details={"run_id": state.run_id, "status": state.status},
        )


@contextmanager
def starting(home: Home) -> Iterator[Callable[[], None]]:
    """Nobody else begins a run here until the run has begun and says so by calling what is given.

    Raises RunInUse when another process does not come to it, StorageError.
    """
    try:
        lock = RunLock(home.start_lock, patience_s=PATIENCE_S)
    except RunInUse as held:
        who = f"process {held.details['pid']} on {held.details['host']}" if held.details else "another"
        raise RunInUse(
            f"{who} has been starting a run here for {PATIENCE_S:g} s",
            hint="Wait for it, or end it.",
            details=held.details,
        ) from None
    try:
        yield lock.release
    finally:
        lock.release()


def refuse_changes(state: RunState, beginning: Mapping[str, Any]) -> None:
    """Raise RunChanged, with everything that differs, unless a run can be gone on with.

    `beginning`: what RUN_STARTED would say if the run began now. What the runner measures is compared
    where both know it.
    """
    found = [*_differences(state.started, beginning)]
    if not found:
        return
    listed = "".join(f"\n  - {told}" for told in found)
    raise RunChanged(
        f"it rests on what is no longer the same:{listed}",
        where=state.run_id,
        hint=f"orchestra resume {state.run_id} --fork starts a new run that takes what still holds.",
        details={"differences": found},
    )


def _differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    one, other = before["plan"]["experiment"], now["plan"]["experiment"]
    yield from _fields("experiment", {**one, _PLACES: None}, {**other, _PLACES: None})
    first, second = before["fingerprint"], now["fingerprint"]
    yield from dataset_differences(first, second)
    if "target" in first and "target" in second:
        yield from target_differences(first, second)
        yield from index_differences(first, second)
    yield from _fields("plugin", first["plugins"], second["plugins"])
    if one == other and before["plan_hash"] != now["plan_hash"]:
        yield "the plan, though the experiment is the same"


def _fields(path: str, one: object, other: object) -> Iterator[str]:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        for key in dict.fromkeys([*one, *other]):
            yield from _fields(f"{path} {key}", one.get(key, _NOWHERE), other.get(key, _NOWHERE))
    elif one != other:
        yield f"{path}: {one} then, {other} now"
