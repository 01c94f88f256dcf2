"""One process carries a run: the kernel's lock beside the journal, held for as long as it does."""

from __future__ import annotations

import fcntl
import json
import os
import platform
import time
from pathlib import Path
from typing import Any

from orchestra_core.artifacts import storage_errors
from orchestra_core.errors import RunInUse

ATTEMPTS = 5


class RunLock:
    """The kernel's lock on one run, held by the process that carries it until it ends or dies.

    Nobody breaks it: the kernel frees it. A forked child lets go of its copy, so it never outlives
    its process.
    """

    def __init__(self, path: Path) -> None:
        """Take the lock. Raises RunInUse naming the holder, StorageError."""
        self.path = path
        self._descriptor = -1
        with storage_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            for attempt in range(ATTEMPTS):
                if self._take():
                    break
                if attempt + 1 == ATTEMPTS:
                    raise _in_use(path)
                time.sleep(0.02)  # somebody may only have asked whether it is held
        os.register_at_fork(after_in_child=self._forget)

    def release(self) -> None:
        """Let go of the run, and leave no file."""
        if self._descriptor >= 0:
            self.path.unlink(missing_ok=True)  # while it is held: whoever comes next makes a new one
            self._forget()

    def _take(self) -> bool:
        self._descriptor = os.open(self.path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
        taken = False
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # The holder before may have removed the file between the two calls.
            taken = os.path.samestat(os.fstat(self._descriptor), self.path.stat())
            if taken:
                holder = {"pid": os.getpid(), "host": platform.node()}
                os.ftruncate(self._descriptor, 0)
                os.pwrite(self._descriptor, json.dumps(holder).encode(), 0)
        except (BlockingIOError, FileNotFoundError):
            return False
        finally:
            if not taken:
                self._forget()
        return taken

    def _forget(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1


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


def _in_use(path: Path) -> RunInUse:
    holder = _written(path)
    who = f"process {holder['pid']} on {holder['host']}" if holder else "another process"
    return RunInUse(
        f"{who} is running it",
        where=path.stem,
        hint=f"Follow it with: orchestra events {path.stem} --follow",
        details=holder,
    )
