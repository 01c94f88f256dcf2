"""A run as one file, to carry it elsewhere: `orchestra export` and `orchestra import`.

The archive is a plain `tar.gz` of the run's files, named from the home folder; its first member says
what it holds. What comes in is checked name by name before anything of it is written, and the journal
is put in place last: a run is there with everything, or not at all.
"""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import Any

from orchestra_core.artifacts import (
    Home,
    check_name,
    json_bytes,
    make_folder,
    move_into,
    replacing,
    write_atomic,
)
from orchestra_core.errors import DataError, UsageError
from orchestra_core.housekeeping import files_of
from orchestra_core.journal import memory
from orchestra_core.journal.lock import RunLock

MANIFEST = "orchestra-run.json"
FORMAT = 1
MOST_BYTES = 4 * 2**30
MOST_FILES = 200_000
_REPORTS, _RUNS = "reports", ".runs"
"""How the folders are called inside an archive, whatever they are called here."""


def export_run(home: Home, run_id: str, target: Path) -> int:
    """Write the archive, atomically; returns how many files it has.

    Raises RunNotFound, RunInUse while a process carries the run, StorageError.
    """
    memory.open_journal(home, run_id)
    lock = RunLock(home.lock(run_id))
    try:
        found = [(path, _inside(home, path)) for path in _files(home, run_id)]
        with (
            replacing(target.absolute()) as stream,
            tarfile.open(fileobj=stream, mode="w:gz", compresslevel=1) as archive,
        ):
            about = {"format": FORMAT, "run_id": run_id, "files": len(found)}
            _add(archive, MANIFEST, json_bytes(about))
            for path, name in found:
                _add(archive, name, path.read_bytes())
    finally:
        lock.release()
    return len(found)


def import_run(home: Home, source: Path, *, most_bytes: int = MOST_BYTES) -> str:
    """Put an archive's run into the home folder; returns its id.

    Raises DataError for an archive that is damaged, too large, or holds anything but one run's plain
    files; UsageError when the run is here already; StorageError.
    """
    try:
        with tarfile.open(source, "r:gz") as archive:
            members = _members(archive, most_bytes)
            about = _manifest(archive, next(members, None))
            run_id = check_name(str(about["run_id"]), "run id")
            if home.journal(run_id).exists():
                raise UsageError(f"run {run_id} is here already", where=str(source))
            with TemporaryDirectory(dir=make_folder(home.root), prefix=".import-") as place:
                scratch = Home(Path(place), home.reports_dir, home.runs_dir)
                count = sum(_unpack(archive, member, scratch, run_id) for member in members)
                _check_complete(scratch, run_id, count, about)
                _settle(home, scratch, run_id)
    except (tarfile.TarError, EOFError, OSError, ValueError, KeyError, TypeError) as error:
        told = str(error) or type(error).__name__
        raise DataError(f"this is no archive of a run: {told}", where=str(source)) from error
    memory.remember(home, run_id)
    return run_id


def _files(home: Home, run_id: str) -> Iterator[Path]:
    for path in files_of(home, run_id):
        inner = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
        yield from (p for p in inner if p not in {home.lock(run_id), home.memory(run_id)})


def _inside(home: Home, path: Path) -> str:
    if path.is_relative_to(home.reports):
        return f"{_REPORTS}/{path.relative_to(home.reports).as_posix()}"
    return f"{_RUNS}/{path.relative_to(home.root / home.runs_dir).as_posix()}"


def _add(archive: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(data), 0o644
    archive.addfile(member, io.BytesIO(data))


def _members(archive: tarfile.TarFile, most_bytes: int) -> Iterator[tarfile.TarInfo]:
    """Members that are plain files, while they are few and small enough."""
    size = 0
    for count, member in enumerate(archive):
        size += member.size
        if not member.isreg():
            raise DataError(f"'{member.name}' is no plain file", where=str(archive.name))
        if size > most_bytes or count > MOST_FILES:
            hint = "Allow more with --max-size, if you trust where it comes from."
            raise DataError("the archive holds too much", where=str(archive.name), hint=hint)
        yield member


def _manifest(archive: tarfile.TarFile, member: tarfile.TarInfo | None) -> dict[str, Any]:
    if member is None or member.name != MANIFEST:
        raise DataError(f"its first member is not {MANIFEST}", where=str(archive.name))
    about: dict[str, Any] = json.loads(_read(archive, member))
    if about.get("format") != FORMAT:
        raise DataError(f"its format is {about.get('format')!r}, not {FORMAT}", where=str(archive.name))
    return about


def _unpack(archive: tarfile.TarFile, member: tarfile.TarInfo, scratch: Home, run_id: str) -> int:
    """Write one member below the scratch folder. Raises DataError for a name that is not the run's."""
    parts = PurePosixPath(member.name).parts
    for part in parts:
        check_name(part.removeprefix("."), "name in the archive")
    if not _is_own(parts, run_id):
        raise DataError(f"'{member.name}' is no file of run {run_id}", where=str(archive.name))
    root = scratch.reports if parts[0] == _REPORTS else scratch.root / scratch.runs_dir
    write_atomic(root.joinpath(*parts[1:]), _read(archive, member))
    return 1


def _is_own(parts: tuple[str, ...], run_id: str) -> bool:
    if parts[0] == _REPORTS:
        return parts[1:] == ("events", f"{run_id}.jsonl") or (len(parts) == 3 and parts[1] == run_id)
    if parts[0] != _RUNS:
        return False
    is_unit = len(parts) == 4 and parts[1:3] == (run_id, "units")
    return is_unit or (len(parts) == 3 and parts[1].startswith(f"{run_id}-"))


def _read(archive: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    stream = archive.extractfile(member)
    return stream.read() if stream else b""


def _check_complete(scratch: Home, run_id: str, count: int, about: dict[str, Any]) -> None:
    if count != about["files"] or not scratch.journal(run_id).is_file():
        raise DataError("it is not complete", where=run_id, hint="Export the run again.")
    if memory.load_state(scratch, run_id).run_id != run_id:
        raise DataError("its journal is of another run", where=run_id)


def _settle(home: Home, scratch: Home, run_id: str) -> None:
    for path in files_of(scratch, run_id):  # the journal last
        move_into(path, home.root / path.relative_to(scratch.root))
