"""A run as one file, to carry it elsewhere: `orchestra export`. `unbundling` takes it in again.

The archive is a plain `tar.gz` of the run's files, named from the home folder; its first member says
what it holds, with the SHA-256 of each file.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Final, Literal

from pydantic import BaseModel, ConfigDict

from orchestra_core.artifacts import Home, json_bytes, replacing, storage_damage
from orchestra_core.errors import StorageError
from orchestra_core.history import record_of
from orchestra_core.housekeeping import evidence_of
from orchestra_core.journal import memory
from orchestra_core.journal.lock import RunLock, is_locked

MANIFEST = "orchestra-run.json"
FORMAT: Final = 2
REPORTS, RUNS = "reports", ".runs"
"""How the folders are called inside an archive, whatever they are called here."""


class Manifest(BaseModel):
    """The archive's first member."""

    model_config = ConfigDict(strict=True, extra="forbid")

    format: Literal[2] = FORMAT
    run_id: str
    files: dict[str, str]
    """Name of each further member → SHA-256 of its content."""
    winner: dict[str, Any] | None = None
    """The run's record in the history of winners, where it has one."""


def export_run(home: Home, run_id: str, target: Path) -> int:
    """Write the archive, atomically; returns how many files it has.

    What the service was asked for stays behind. Raises RunNotFound, RunInUse while a process carries
    the run, StorageError.
    """
    memory.open_journal(home, run_id)
    with _untouched(home, run_id):
        found = {_inside(home, path): path for path in _files(home, run_id)}
        files = {name: _sha256(path) for name, path in found.items()}
        about = Manifest(run_id=run_id, files=files, winner=record_of(home, run_id))
        with (
            replacing(target.absolute()) as stream,
            gzip.GzipFile("", "wb", 1, stream, mtime=0) as packed,
            tarfile.open(fileobj=packed, mode="w:") as archive,
        ):
            content = json_bytes(about.model_dump())
            _add(archive, MANIFEST, io.BytesIO(content), len(content))
            for name, path in found.items():
                with _opened(path) as source:
                    _add(archive, name, source, path.stat().st_size)
    return len(found)


@contextmanager
def _untouched(home: Home, run_id: str) -> Iterator[None]:
    """Hold the run. Where nothing can be written, nobody can take it up either."""
    with ExitStack() as held:
        try:
            held.callback(RunLock(home.lock(run_id)).release)
        except StorageError:
            if is_locked(home.lock(run_id)):
                raise
        yield


def _files(home: Home, run_id: str) -> Iterator[Path]:
    for path in evidence_of(home, run_id):
        inner = sorted(p for p in path.rglob("[!.]*") if p.is_file()) if path.is_dir() else [path]
        yield from inner


def _inside(home: Home, path: Path) -> str:
    if path.is_relative_to(home.reports):
        return f"{REPORTS}/{path.relative_to(home.reports).as_posix()}"
    return f"{RUNS}/{path.relative_to(home.root / home.runs_dir).as_posix()}"


def _sha256(path: Path) -> str:
    with _opened(path) as stream, storage_damage(path):
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _opened(path: Path) -> io.BufferedReader:
    with storage_damage(path):
        return path.open("rb")


def _add(archive: tarfile.TarFile, name: str, source: BinaryIO, size: int) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = size, 0o644
    archive.addfile(member, source)
