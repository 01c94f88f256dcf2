"""Whether the process of a run that says "running" is still there."""

from __future__ import annotations

import os
import platform

from orchestra_core.journal.state import RunState


def process_is_gone(state: RunState) -> bool:
    """True when the run has no ending and its process, of this machine, no longer exists.

    False also where that can't be known: a run of another machine.
    """
    pid = state.started.get("pid")
    if state.status != "running" or state.started.get("host") != platform.node() or not pid:
        return False
    try:
        os.kill(int(pid), 0)  # signal 0 only asks
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
