"""Whether the process of a run that says "running" is still there."""

from __future__ import annotations

from orchestra_core.artifacts import Home
from orchestra_core.journal.lock import is_locked
from orchestra_core.journal.state import RunState


def process_is_gone(home: Home, state: RunState) -> bool:
    """True when the run has no ending and no process carries it.

    The kernel's lock decides: a container's host name changes, a process id is given again.
    """
    return state.status == "running" and not is_locked(home.lock(state.run_id))
