"""Which runs a home folder keeps: what may go, and what goes with it. Used by `orchestra gc`.

Nothing goes that a living process may use: a run and what is called after it only under the run's lock,
a temporary only when nobody holds it. What no run of ours can have left stays, whatever it is.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from orchestra_core.artifacts import Home, remove, storage_errors
from orchestra_core.errors import RunInUse
from orchestra_core.evaluation.job_files import METRICS, QUERIES, RANKINGS
from orchestra_core.history import read_history
from orchestra_core.journal import memory
from orchestra_core.journal.events import parse_line
from orchestra_core.journal.lock import RunLock, is_locked
from orchestra_core.journal.log import JournalReader
from orchestra_core.names import is_run_id
from orchestra_core.plan import STAGE_ORDER
from orchestra_core.temporaries import is_temporary, remove_unheld

IMPORT = ".import"
"""What is being imported lies in a temporary of this name, with a file that says which run it is."""
_JOB_FILES = frozenset({METRICS, QUERIES, RANKINGS})
_RESULT = re.compile(r"[0-9a-f]{64}\.jsonl\.gz")
_MADE = re.compile(r"[\w.-]+-\d{8}-\d{6}-[0-9a-f]{6}")
"""A name as `make_run_id` makes it."""
_DEEPEST = 3
"""Folders down to which another `paths.reports_dir` is looked for."""
Owners = tuple[str, ...]
"""The runs that may have left something; a job's name alone can allow for more than one."""


@dataclass(frozen=True)
class Sweep:
    """What would go, or went."""

    runs: tuple[str, ...]
    """Oldest first."""
    orphans: Mapping[Owners, tuple[Path, ...]]
    """What is left of runs that have no journal."""
    temporaries: tuple[Path, ...]
    """Of writes that were cut short."""
    size: int
    """Bytes of all of it."""

    @property
    def leftovers(self) -> tuple[Path, ...]:
        """Everything that is of no run."""
        return (*(path for paths in self.orphans.values() for path in paths), *self.temporaries)


def evidence_of(home: Home, run_id: str) -> list[Path]:
    """What a run is known and checked by, the journal last: while it is there, the run is known."""
    known = {run_id, *home.run_ids()}
    jobs = sorted((home.root / home.runs_dir).glob(f"{run_id}-*"))
    own = [path for path in jobs if _owner(path.name, known) == run_id]
    found = [*own, home.units(run_id).parent, home.report_folder(run_id).folder, home.journal(run_id)]
    return [path for path in found if path.exists()]


def files_of(home: Home, run_id: str) -> list[Path]:
    """Everything that a run left, the journal last. Its lock goes when it is let go of."""
    others = [*_scratch(home, run_id), home.memory(run_id), home.order(run_id), home.origin(run_id)]
    return [*(path for path in others if path.exists()), *evidence_of(home, run_id)]


def plan_sweep(home: Home, keep: int) -> Sweep:
    """What `sweep` would remove: all but the newest `keep` runs.

    A run that is carried by a process stays, and the one whose winner was published last: its files
    are that winner's evidence.
    """
    # Before the journals are looked at: of a run that begins meanwhile, nothing was there yet.
    temporaries = [*_temporaries(home)]
    orphans = _orphans(home, temporaries)
    known = [str(entry["run_id"]) for entry in memory.entries(home)]
    old = known[: max(0, len(known) - keep)]
    needed = _needed(home)
    gone = [r for r in old if r != needed and not is_locked(home.lock(r))]
    there = {*known, *(_known_elsewhere(home) if orphans else ())}
    alone = {
        owners: tuple(paths)
        for owners, paths in orphans.items()
        if there.isdisjoint(owners) and not any(is_locked(home.lock(r)) for r in owners)
    }
    going = [path for run_id in gone for path in files_of(home, run_id)]
    going += [path for paths in alone.values() for path in paths]
    parents = set(going)
    left = [p for p in temporaries if not is_locked(p) and parents.isdisjoint(p.parents)]
    size = sum(_size(path) for path in (*going, *left))
    return Sweep(tuple(gone), alone, tuple(left), size)


def sweep(home: Home, planned: Sweep) -> Sweep:
    """Remove what was planned, and say what went: not what a process has taken up meanwhile.

    Raises StorageError.
    """
    runs: list[str] = []
    orphans: dict[Owners, tuple[Path, ...]] = {}
    temporaries: list[Path] = []
    size = 0
    for run_id in planned.runs:
        with _nobody_carries(home, (run_id,)) as free:
            if free and run_id != _needed(home):
                size += _remove_all(files_of(home, run_id))
                runs.append(run_id)
    for owners, paths in planned.orphans.items():
        with _nobody_carries(home, owners) as free:
            if free and not {*home.run_ids(), *_known_elsewhere(home)} & {*owners}:
                size += _remove_all(paths)
                orphans[owners] = paths
    for path in planned.temporaries:
        with storage_errors(path):
            some = _size(path)
            if remove_unheld(path):
                temporaries.append(path)
                size += some
    memory.rebuild(home)
    return Sweep(tuple(runs), orphans, tuple(temporaries), size)


def _temporaries(home: Home) -> Iterator[Path]:
    """Wherever a process of ours makes one."""
    runs, name = home.root / home.runs_dir, ".*.tmp"
    places = [(home.root, f"{IMPORT}.*.tmp"), (runs, name), (runs, f"*/units/{name}")]
    places += [(home.reports, pattern) for pattern in (name, f"*/{name}", f"service/*/{name}")]
    for folder, pattern in places:
        yield from sorted(p for p in folder.glob(pattern) if is_temporary(p) and not p.is_symlink())


def _orphans(home: Home, temporaries: Collection[Path]) -> dict[Owners, list[Path]]:
    """What looks like something that a run left, by the runs that can have left it."""
    found: dict[Owners, list[Path]] = {}
    for path in sorted((home.root / home.runs_dir).glob("*")):
        if owners := _owners_of_folder(path):
            found.setdefault(owners, []).append(path)
    known = {*home.run_ids()}
    patterns = "events/*.lock", "events/*.jsonl", "imports/*.json"
    for path in sorted(path for pattern in patterns for path in home.reports.glob(pattern)):
        if is_run_id(path.stem) and path.stem not in known:
            found.setdefault((path.stem,), []).append(path)
    for path in temporaries:
        if (run_id := imported_run(path)) and not is_locked(path):
            paths = found.setdefault((run_id,), [])
            paths += [p for p in evidence_of(home, run_id) if p not in paths]
    return found


def imported_run(place: Path) -> str:
    """The run that was being put in place from a temporary folder; empty when there is none."""
    try:
        run_id = (place / IMPORT).read_text(encoding="utf-8")
    except (OSError, ValueError):
        return ""
    return run_id if is_run_id(run_id) else ""


def _owners_of_folder(path: Path) -> Owners:
    if path.is_symlink() or not path.is_dir() or is_temporary(path):
        return ()
    names = {inner.name for inner in path.iterdir()}
    if names == {"units"} and is_run_id(path.name):
        inner = path / "units"
        ours = inner.is_dir() and all(
            _RESULT.fullmatch(p.name) or is_temporary(p) for p in inner.iterdir()
        )
        return (path.name,) if ours else ()
    return _owners(path.name) if names and names <= _JOB_FILES else ()


def _owners(job_id: str) -> Owners:
    """The runs whose job may be called that."""
    found = []
    for stage in STAGE_ORDER:
        first, *rest = job_id.split(f"-{stage}-")
        for part in rest:
            found.append(first)
            first = f"{first}-{stage}-{part}"
    return tuple(sorted(run_id for run_id in found if is_run_id(run_id)))


def _owner(job_id: str, known: Collection[str]) -> str:
    """The run whose job it is: of several, that with the longest id."""
    return max((run_id for run_id in _owners(job_id) if run_id in known), key=len, default="")


def _scratch(home: Home, run_id: str) -> Iterator[Path]:
    """Folders of its target's own, as its health said; see `RunnerRequest.runs_dir`."""
    runs = home.root / home.runs_dir
    there = {path.name for path in runs.glob("*") if _MADE.fullmatch(path.name)} - {*home.run_ids()}
    if not there or not home.journal(run_id).exists():
        return
    for line in JournalReader(home.journal(run_id)).lines():
        event = parse_line(line) if b'"HEALTH_OK"' in line[:400] else None
        name = event.payload.get("details", {}).get("runs_in") if event else None
        if name in there and (runs / name).is_dir() and not _owners_of_folder(runs / name):
            yield runs / name


def _needed(home: Home) -> str:
    """The run whose winner was published last."""
    history = read_history(home)
    return str(history[-1]["run_id"]) if history else ""


def _known_elsewhere(home: Home) -> Iterator[str]:
    """Runs of other `paths.reports_dir` beside this one, which may share `.runs` with it."""
    for depth in range(1, _DEEPEST + 1):
        for folder in home.root.glob("*/" * depth + "events"):
            if folder == home.reports / "events" or not folder.is_dir():
                continue
            if not any(is_temporary(parent) for parent in folder.parents):  # else an import's
                yield from (
                    path.stem for path in folder.iterdir() if path.suffix in {".jsonl", ".lock"}
                )


@contextmanager
def _nobody_carries(home: Home, owners: Owners) -> Iterator[bool]:
    """Hold the locks of all these runs; False when a process has one of them."""
    with ExitStack() as held:
        try:
            for run_id in owners:
                held.callback(RunLock(home.lock(run_id)).release)
        except RunInUse:
            yield False
            return
        yield True


def _remove_all(paths: Collection[Path]) -> int:
    """Returns the bytes that went. Raises StorageError."""
    size = 0
    for path in paths:
        size += _size(path)
        remove(path)
    return size


def _size(path: Path) -> int:
    """Bytes; what goes meanwhile counts nothing."""
    inner = path.rglob("*") if path.is_dir() and not path.is_symlink() else [path]
    size = 0
    for file in inner:
        with suppress(FileNotFoundError):
            size += file.lstat().st_size if not file.is_dir() else 0
    return size
