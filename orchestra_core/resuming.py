"""Go on with a run, or start a new one from what still holds of it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from orchestra_core.artifacts import Home
from orchestra_core.engine import carry_out, run_experiment
from orchestra_core.errors import RunChanged
from orchestra_core.exit_codes import exit_code_of
from orchestra_core.journal.lock import RunLock
from orchestra_core.journal.memory import open_journal
from orchestra_core.journal.past import read_past
from orchestra_core.journal.recorder import Listener
from orchestra_core.journal.reporting import report_on
from orchestra_core.journal.state import RunState
from orchestra_core.outcome import Outcome
from orchestra_core.scheduling.results import ResultFolder
from orchestra_core.scheduling.store import Earlier
from orchestra_core.session import Request, Session, folder_of
from orchestra_core.sitting import further_sitting


def resume_experiment(
    session: Session,
    run_id: str,
    listeners: Sequence[Listener] = (),
    *,
    asks: Literal["anything", "tried"] = "anything",
) -> Outcome:
    """Carry a run on from where it stands; a finished one only gets the artifacts that it lacks.

    `tried`: ask again what failed or was interrupted, then stop. Raises RunInUse while another process
    carries it, RunChanged with a list of what is no longer the same.
    """
    open_journal(session.home, run_id)
    with further_sitting(session.home, run_id, listeners) as sitting:
        check_begun(sitting.past.state, sitting.past.keyless)
        sitting.asks = asks
        dataset = session.open_dataset()
        return carry_out(session, dataset, session.make_plan(dataset), sitting)


def fork_experiment(session: Session, run_id: str, listeners: Sequence[Listener] = ()) -> Outcome:
    """A new run of the experiment as it is now; what another run has asked already is not asked again.

    Raises RunNotFound, RunInUse while another process carries that run, and whatever `run_experiment`
    does.
    """
    lock = RunLock(session.home.lock(run_id))
    try:
        past = read_past(open_journal(session.home, run_id))
    finally:
        lock.release()
    earlier = Earlier(run_id, past, ResultFolder(session.home.units(run_id)))
    return run_experiment(session, listeners, earlier=earlier)


def finished_outcome(state: RunState) -> Outcome | None:
    """What a run came to, if there is nothing left to do for it."""
    if not (state.is_finished and state.told):
        return None
    return Outcome(report_on(state), exit_code_of(state), tuple(state.artifacts))


def check_resumable(state: RunState) -> None:
    """Raise RunChanged for a run in which nothing was asked, or of which nothing is known."""
    check_begun(state)
    if not state.started["fingerprint"].get("target"):
        raise RunChanged(
            "it ended before anything was asked",
            where=state.run_id,
            hint=f"Go on with it: orchestra resume {state.run_id}",
        )


def check_begun(state: RunState, keyless: int = 0) -> None:
    """Raise RunChanged for a run that leaves nothing to go on with."""
    if not state.started or "asked" not in state.started or keyless:
        raise RunChanged(
            "an older version started it, which kept no results of its units"
            if state.started
            else "it has not begun",
            where=state.run_id,
            hint="Start the experiment again with `orchestra run`.",
        )


def request_of(home: Home, state: RunState) -> Request:
    """What the user typed when the run was started. Raises RunChanged when its file is gone."""
    check_begun(state)
    asked = state.started["asked"]
    file = Path(home.root, asked["file"]).resolve() if asked["file"] else None
    if file is not None and not file.is_file():
        raise RunChanged(
            f"its experiment file {asked['file']} is gone",
            where=state.run_id,
            hint="Put it back; the journal's first line has its content as `plan.experiment`.",
        )
    return Request(
        file=file,
        assignments=tuple(asked["set"]),
        plugins=tuple(asked["plugins"]),
        strict_plugins=asked["strict_plugins"],
        home=home.root,
        only_defaults=asked["only_defaults"],
        until=asked.get("until"),
        folder=folder_of(home, state.started),
    )
