"""One process carries a run: the kernel's lock beside the journal, held for as long as it does."""

from __future__ import annotations

import fcntl
import json
import os
import platform
import time
from pathlib import Path
from typing import Any

from orchestra_core.artifacts import lock_file, storage_errors
from orchestra_core.errors import RunInUse
from orchestra_core.journal.forking import made_anew_in_children

PATIENCE_S = 0.1
"""How long a lock may be held by those who only ask whether it is."""
_PAUSE_S = 0.02


class RunLock:
    """The kernel's lock on one run, held by the process that carries it until it ends or dies.

    Nobody breaks it: the kernel frees it. A forked child lets go of its copy, so it never outlives
    its process.
    """

    def __init__(self, path: Path, *, patience_s: float = PATIENCE_S) -> None:
        """Take the lock, waiting so long at most. Raises RunInUse naming the holder, StorageError."""
        self.path = path
        self._descriptor = -1
        made_anew_in_children(self)
        deadline = time.monotonic() + patience_s
        with storage_errors(path):
            while not self._take():
                if time.monotonic() >= deadline:
                    raise in_use(path)
                time.sleep(_PAUSE_S)

    def release(self) -> None:
        """Let go of the run, and leave no file."""
        if self._descriptor >= 0:
            self.path.unlink(missing_ok=True)  # while it is held: whoever comes next makes a new one
            self.after_fork()

    def after_fork(self) -> None:
        """Let go of the descriptor; only closing the last one frees the lock."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _take(self) -> bool:
        taken = False
        try:
            self._descriptor = lock_file(self.path, wait=False)
            # The holder before may have removed the file between the two calls.
            if os.path.samestat(os.fstat(self._descriptor), self.path.stat()):
                holder = {"pid": os.getpid(), "host": platform.node()}
                os.ftruncate(self._descriptor, 0)
                os.pwrite(self._descriptor, json.dumps(holder).encode(), 0)
                taken = True
        except (BlockingIOError, FileNotFoundError):
            return False
        finally:
            if not taken:
                self.after_fork()
        return taken


def is_locked(path: Path) -> bool:
    """Whether some process holds the run whose lock that is."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def holder_of(path: Path) -> int | None:
    """The process of this machine that holds the run whose lock that is; None when nobody does."""
    holder = _written(path) if is_locked(path) else {}
    pid = holder.get("pid")
    return pid if isinstance(pid, int) and holder.get("host") == platform.node() else None


def _written(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def in_use(path: Path) -> RunInUse:
    """The error that names the holder of a lock."""
    holder = _written(path)
    who = f"process {holder['pid']} on {holder['host']}" if holder else "another process"
    return RunInUse(
        f"{who} is running it",
        where=path.stem,
        hint=f"Follow it with: orchestra events {path.stem} --follow",
        details=holder,
    )
