"""Whether the process of a run that says "running" is still there."""

from __future__ import annotations

import platform

from orchestra_core.artifacts import Home
from orchestra_core.journal.lock import is_locked
from orchestra_core.journal.state import RunState


def process_is_gone(home: Home, state: RunState) -> bool:
    """True when the run has no ending and no process of this machine carries it.

    False also where that can't be known: a run of another machine.
    """
    if state.status != "running" or not is_of_this_machine(state):
        return False
    return not is_locked(home.lock(state.run_id))


def is_of_this_machine(state: RunState) -> bool:
    """Whether the process that carried the run last was one of this machine."""
    return bool(state.owner.get("host") == platform.node())
