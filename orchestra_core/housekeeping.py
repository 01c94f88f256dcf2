"""Which runs a home folder keeps: what may go, and what goes with it. Used by `orchestra gc`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from orchestra_core.artifacts import Home, remove
from orchestra_core.errors import RunInUse
from orchestra_core.history import read_history
from orchestra_core.journal import memory
from orchestra_core.journal.lock import RunLock, is_locked


@dataclass(frozen=True)
class Sweep:
    """What would go, or went."""

    runs: tuple[str, ...]
    """Oldest first."""
    leftovers: tuple[Path, ...]
    """Of runs that are gone, and of writes that were cut short."""
    size: int
    """Bytes of all of it."""


def files_of(home: Home, run_id: str) -> list[Path]:
    """Everything that a run left, the journal last: while it is there, the run is known."""
    jobs = sorted((home.root / home.runs_dir).glob(f"{run_id}-*"))
    found = [*jobs, home.units(run_id).parent, home.reports / run_id, home.memory(run_id)]
    found += [home.order(run_id), home.lock(run_id), home.journal(run_id)]
    return [path for path in found if path.exists() and not _is_of_another(home, run_id, path)]


def plan_sweep(home: Home, keep: int) -> Sweep:
    """What `sweep` would remove: all but the newest `keep` runs.

    A run that is carried by a process stays, and the one whose winner was published last: its files
    are that winner's evidence.
    """
    known = [str(entry["run_id"]) for entry in memory.entries(home)]
    history = read_history(home)
    needed = {str(history[-1]["run_id"])} if history else set()
    old = known[: max(0, len(known) - keep)]
    gone = [r for r in old if r not in needed and not is_locked(home.lock(r))]
    left = tuple(_leftovers(home, known))
    size = sum(_size(path) for path in (*left, *(p for run_id in gone for p in files_of(home, run_id))))
    return Sweep(tuple(gone), left, size)


def sweep(home: Home, planned: Sweep) -> list[str]:
    """Remove what was planned; returns the runs that were taken up by a process meanwhile.

    Raises StorageError.
    """
    spared = []
    for run_id in planned.runs:
        try:
            lock = RunLock(home.lock(run_id))
        except RunInUse:
            spared.append(run_id)
            continue
        try:
            for path in files_of(home, run_id):
                remove(path)
        finally:
            lock.release()
    for path in planned.leftovers:
        remove(path)
    memory.rebuild(home)
    return spared


def _leftovers(home: Home, known: Sequence[str]) -> Iterator[Path]:
    """Folders of runs without a journal, and temporary files of processes that were killed."""
    runs = home.root / home.runs_dir
    for path in sorted(runs.glob("*")) if runs.is_dir() else ():
        if not any(path.name == r or path.name.startswith(f"{r}-") for r in known):
            yield path
    locked = any(is_locked(home.lock(run_id)) for run_id in known)
    if not locked:  # else it may be somebody's who writes just now
        for folder in (home.reports, runs):
            yield from sorted(p for p in folder.rglob(".*.tmp") if p.parent != runs)


def _is_of_another(home: Home, run_id: str, path: Path) -> bool:
    """A job whose name begins like this run's, but belongs to a run with a longer id."""
    longer = (r for r in home.run_ids() if r != run_id and r.startswith(run_id))
    return any(path.name == r or path.name.startswith(f"{r}-") for r in longer)


def _size(path: Path) -> int:
    if path.is_dir():
        return sum(p.lstat().st_size for p in path.rglob("*") if p.is_file())
    return path.lstat().st_size
