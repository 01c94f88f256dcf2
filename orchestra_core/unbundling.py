"""Take in a run from an archive that `bundling` wrote: `orchestra import`.

Every name and every content is checked before anything of it is in its place, and the journal is put
there last: a run is here with everything, or not at all.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import itertools
import json
import tarfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from orchestra_core.artifacts import (
    Home,
    json_bytes,
    make_folder,
    move_into,
    remove,
    replacing,
    storage_errors,
    write_atomic,
)
from orchestra_core.bundling import FORMAT, MANIFEST, REPORTS, RUNS, Manifest
from orchestra_core.errors import DataError, InvalidName, UsageError
from orchestra_core.history import is_record
from orchestra_core.housekeeping import IMPORT, evidence_of
from orchestra_core.journal import memory
from orchestra_core.journal.lock import RunLock
from orchestra_core.names import check_name, check_run_id
from orchestra_core.temporaries import temporary_folder

MOST_BYTES = 4_096_000_000
"""Of an archive, unpacked."""
MOST_FILES = 200_000
MOST_MANIFEST = 64 * 2**20
_MOST_HEADER = 256 * 2**10
_CHUNK = 2**16


def import_run(home: Home, source: Path, *, most_bytes: int = MOST_BYTES) -> str:
    """Put an archive's run into the home folder; returns its id.

    Raises DataError for an archive that is damaged, too large, or holds anything but one run's plain
    files; UsageError when the run is here already, RunInUse while it is carried; StorageError.
    """
    try:
        with gzip.open(source) as unpacked:
            return _import(home, _Archive(_Metered(unpacked, most_bytes)))
    except DataError as error:
        raise DataError(error.message, where=str(source), hint=error.hint) from error
    except (tarfile.TarError, OSError, ValueError, OverflowError, RecursionError) as error:
        told = str(error) or type(error).__name__
        raise DataError(f"this is no archive of a run: {told}", where=str(source)) from error


def _import(home: Home, archive: _Archive) -> str:
    about = archive.manifest()
    run_id = check_run_id(about.run_id)
    _check_absent(home, run_id)
    with storage_errors(make_folder(home.root)), temporary_folder(home.root / IMPORT[1:]) as place:
        scratch = Home(place, home.reports_dir, home.runs_dir)
        lacking = dict(about.files)
        for member in archive.members():
            _unpack(archive, member, scratch, run_id, lacking.pop(member.name, ""))
        archive.finish()
        _check_complete(scratch, about, [*lacking])
        write_atomic(scratch.origin(run_id), json_bytes({"run_id": run_id, "winner": about.winner}))
        _settle(home, scratch, run_id)
    memory.remember(home, run_id)
    return run_id


class _Metered(io.BufferedIOBase):
    """What is unpacked, as far as it may be read: so much at all, and so much at a time."""

    def __init__(self, stream: gzip.GzipFile, most: int) -> None:
        self._stream, self._most, self._left = stream, most, 0

    def allow(self, count: int) -> None:
        """Let so many bytes be read from now on, and no more."""
        self._left = count

    def read(self, size: int | None = -1, /) -> bytes:
        """So many bytes, or fewer at the end. Raises DataError."""
        if size is None or not 0 <= size <= self._left:
            raise DataError("it is damaged: a header is too large")
        self._left -= size
        self._check(self.tell() + size)
        try:
            return self._stream.read(size)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"it is damaged: {error}") from error

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        """Go forward. Raises DataError."""
        if whence != io.SEEK_SET or offset < self.tell():
            raise DataError("it is damaged: it leads back")
        self._check(offset)
        try:
            return self._stream.seek(offset)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"it is damaged: {error}") from error

    def tell(self) -> int:
        """Bytes unpacked so far."""
        return self._stream.tell()

    def check_room(self, size: int) -> None:
        """Raise DataError when so many more bytes would be too many."""
        self._check(self.tell() + max(size, 0))

    def _check(self, position: int) -> None:
        if position > self._most:
            told = f"it unpacks to more than {self._most / 1e6:,.6g} MB"
            hint = "Allow more with --max-size, if you trust where it comes from."
            raise DataError(told, hint=hint)


class _Archive:
    """A tar file, read once from its beginning to its end."""

    def __init__(self, stream: _Metered) -> None:
        self._stream, self._count = stream, itertools.count(1)
        stream.allow(_MOST_HEADER)
        self._tar = tarfile.open(fileobj=stream, mode="r:")  # noqa: SIM115 - the stream is closed elsewhere

    def manifest(self) -> Manifest:
        """What it says it holds. Raises DataError, ValueError."""
        member = next(self.members(), None)
        if member is None or member.name != MANIFEST:
            raise DataError(f"this is no archive of a run: its first member is not {MANIFEST}")
        if member.size > MOST_MANIFEST:
            raise DataError(f"its {MANIFEST} is larger than {MOST_MANIFEST / 1e6:.0f} MB")
        about: Any = json.loads(b"".join(self.pieces(member)))
        if isinstance(about, dict) and about.get("format") != FORMAT:
            hint = "Export the run again with the version of Orchestra that is installed here."
            raise DataError(f"its format is {about.get('format')!r}, not {FORMAT}", hint=hint)
        return Manifest.model_validate(about)

    def members(self) -> Iterator[tarfile.TarInfo]:
        """What follows, while it is plain files. Raises DataError, TarError."""
        while True:
            self._stream.allow(_MOST_HEADER)
            member = self._tar.next()
            if member is None:
                return
            if not member.isreg() or member.issparse() or member.size < 0:
                raise DataError(f"'{member.name}' is no plain file")
            if next(self._count) > MOST_FILES:
                raise DataError(f"it holds more than {MOST_FILES:,} files")
            self._stream.check_room(member.size)
            yield member

    def pieces(self, member: tarfile.TarInfo) -> Iterator[bytes]:
        """A member's content. Raises DataError, TarError."""
        self._stream.allow(member.size)
        content = self._tar.extractfile(member)
        while content and (piece := content.read(_CHUNK)):
            yield piece

    def finish(self) -> None:
        """Read what is left, up to the checksum. Raises DataError."""
        while True:
            self._stream.allow(_CHUNK)
            if not self._stream.read(_CHUNK):
                return


def _unpack(
    archive: _Archive, member: tarfile.TarInfo, scratch: Home, run_id: str, sha256: str
) -> None:
    """Write one member below the scratch folder. Raises DataError for one that is not the run's.

    `sha256`: as the manifest says; empty for a name that it does not have, or had before.
    """
    parts = PurePosixPath(member.name).parts
    if not sha256 or not _is_own(parts, run_id):
        raise DataError(f"'{member.name}' is no file of run {run_id}, or is there twice")
    root = scratch.reports if parts[0] == REPORTS else scratch.root / scratch.runs_dir
    digest = hashlib.sha256()
    with replacing(root.joinpath(*parts[1:])) as stream:
        for piece in archive.pieces(member):
            digest.update(piece)
            stream.write(piece)
    is_result = parts[0] == RUNS and parts[2] == "units"
    named = parts[3].partition(".")[0] if is_result else sha256
    if {sha256, named} != {digest.hexdigest()}:
        raise DataError(f"it is damaged: '{member.name}' is not what was exported")


def _is_own(parts: tuple[str, ...], run_id: str) -> bool:
    try:
        for part in parts[1:]:
            check_name(part)
    except InvalidName:
        return False
    if parts[:1] == (REPORTS,):
        return parts[1:] == ("events", f"{run_id}.jsonl") or (len(parts) == 3 and parts[1] == run_id)
    if parts[:1] != (RUNS,):
        return False
    is_unit = len(parts) == 4 and parts[1:3] == (run_id, "units")
    return is_unit or (len(parts) == 3 and parts[1].startswith(f"{run_id}-"))


def _check_complete(scratch: Home, about: Manifest, lacking: Sequence[str]) -> None:
    if lacking or not scratch.journal(about.run_id).is_file():
        what = f"'{lacking[0]}'" if lacking else "its journal"
        raise DataError(f"it is not complete: {what} is missing", hint="Export the run again.")
    if memory.load_state(scratch, about.run_id).run_id != about.run_id:
        raise DataError("its journal is of another run")
    if about.winner is not None and not is_record(about.winner, about.run_id):
        raise DataError("its winner is of another run")


def _check_absent(home: Home, run_id: str) -> None:
    if home.has_run(run_id):
        hint = "It is not touched. With --home the archive's run goes into another folder."
        raise UsageError(f"run {run_id} is here already", where=str(home.root), hint=hint)


def _settle(home: Home, scratch: Home, run_id: str) -> None:
    """Move everything to its place, the journal last; `gc` knows what an import was about to do."""
    found = [scratch.origin(run_id), *evidence_of(scratch, run_id)]
    lock = RunLock(home.lock(run_id))
    try:
        _check_absent(home, run_id)
        write_atomic(scratch.root / IMPORT, run_id.encode())
        for path in evidence_of(home, run_id):  # without a journal: an import that was killed
            remove(path)
        for path in found:
            move_into(path, home.root / path.relative_to(scratch.root))
    finally:
        lock.release()
