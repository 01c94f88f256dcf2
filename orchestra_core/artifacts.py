"""Files that a run leaves: atomic writes, paths relative to the home folder.

Together with `journal`, the only room that writes files.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from orchestra_core.errors import StorageError
from orchestra_core.names import check_name, check_run_id, is_run_id
from orchestra_core.temporaries import temporary_file, temporary_folder


@contextmanager
def storage_errors(path: Path) -> Iterator[None]:
    """Turn an OSError about `path` into a StorageError with a remedy."""
    try:
        yield
    except OSError as error:
        raise storage_error(error, path) from error


@contextmanager
def storage_damage(path: Path) -> Iterator[None]:
    """Turn whatever goes wrong in reading a file that a run wrote into a StorageError."""
    try:
        yield
    except OSError as error:
        raise StorageError(f"cannot read: {error.strerror or error}", where=str(path)) from error
    except (ValueError, KeyError, TypeError, EOFError, AttributeError, zlib.error) as error:
        told = f"the content is damaged ({type(error).__name__}: {error})"
        raise StorageError(told, where=str(path), hint="Restore the file from a copy.") from error


def storage_error(error: OSError, path: Path) -> StorageError:
    """The StorageError for an OSError about `path`."""
    hints = {
        errno.ENOSPC: "The disk is full: free some space and try again; nothing was half-written.",
        errno.EFBIG: "A file size limit was reached: raise it and try again.",
        errno.EDQUOT: "Your disk quota is used up: free some space and try again.",
        errno.EACCES: "Make the folder writable, or choose another folder.",
        errno.EPERM: "Make the folder writable, or choose another folder.",
        errno.EEXIST: "A file stands where a folder is needed: move it away.",
        errno.ENOTDIR: "A file stands where a folder is needed: move it away.",
        errno.EROFS: "The file system is read-only: choose another folder.",
    }
    hint = hints.get(error.errno or 0, "Check the folder, or choose another folder.")
    return StorageError(f"cannot write: {error.strerror or error}", where=str(path), hint=hint)


def write_atomic(path: Path, data: bytes) -> None:
    """Write a file so that readers see the old content or the new, never a part. Synced to disk.

    Raises StorageError; then nothing of the new content is left behind.
    """
    with replacing(path) as stream:
        stream.write(data)


@contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """`write_atomic` for content that comes in parts; an error leaves the file as it was."""
    with storage_errors(path):
        _make_folder(path.parent)
        with temporary_file(path) as (temporary, stream):
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
            temporary.replace(path)
            sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """A renamed file outlives a power cut only once its folder is on disk too."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_output(path: Path) -> BinaryIO:
    """A file for a process's output, emptied. Raises StorageError."""
    with storage_errors(path):
        _make_folder(path.parent)
        return path.open("wb")


def write_folder(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write a folder of files in one step, in place of any that is there: all of them or none.

    Not synced one by one: a run writes hundreds, and they can be recomputed. One that has these very
    files is left as it is, on disk by now. Raises StorageError; then no part of the new folder is left.
    """
    if _content(folder) == files:
        return
    make_folder(folder.parent)
    with storage_errors(folder), temporary_folder(folder) as temporary:
        for name, data in files.items():
            (temporary / name).write_bytes(data)
        if folder.exists():  # a folder with files can't be replaced by rename
            shutil.rmtree(folder)
        temporary.rename(folder)


def _content(folder: Path) -> dict[str, bytes]:
    """The files of a folder by name; empty when it can't be read."""
    try:
        return {path.name: path.read_bytes() for path in folder.iterdir()}
    except OSError:
        return {}


def remove(path: Path) -> None:
    """Remove a file or a whole folder; a link, never what it points to. Raises StorageError."""
    with storage_errors(path):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def move_into(path: Path, target: Path) -> None:
    """Move a file or folder to a place on the same file system. Raises StorageError."""
    with storage_errors(target):
        _make_folder(target.parent)
        path.rename(target)
        sync_folder(target.parent)


def make_folder(folder: Path) -> Path:
    """The folder itself, made with its parents, each name on disk. Raises StorageError."""
    with storage_errors(folder):
        _make_folder(folder)
    return folder


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        _make_folder(folder.parent)
        folder.mkdir(exist_ok=True)
        sync_folder(folder.parent)


@contextmanager
def exclusive(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold the kernel's lock on `path` (created when missing); waits for other holders.

    Without `wait`, raises BlockingIOError while another holds it.
    """
    descriptor = lock_file(path, wait=wait)
    try:
        yield
    finally:
        os.close(descriptor)  # closing the descriptor lets go of the lock


def lock_file(path: Path, *, wait: bool) -> int:
    """A descriptor that holds the kernel's lock on `path` (created when missing) until it is closed.

    Without `wait`, raises BlockingIOError while another holds it. Raises StorageError.
    """
    held = False
    with storage_errors(path):
        _make_folder(path.parent)
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            os.close(descriptor)
            held = True
        except BaseException:
            os.close(descriptor)
            raise
    if held:
        raise BlockingIOError(errno.EAGAIN, "held by another process", str(path))
    return descriptor


def json_bytes(content: Any) -> bytes:
    """Indented UTF-8 JSON with a final newline; NaN and infinity are refused (ValueError)."""
    return (json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


@dataclass(frozen=True)
class Home:
    """The folder that holds everything a project's runs leave."""

    root: Path
    reports_dir: str = "reports"
    runs_dir: str = ".runs"

    @property
    def reports(self) -> Path:
        """`reports/`."""
        return self.root / self.reports_dir

    @property
    def winners(self) -> Path:
        """`reports/winners.final.json`."""
        return self.reports / "winners.final.json"

    def journal(self, run_id: str) -> Path:
        """`reports/events/<run_id>.jsonl`."""
        return self.reports / "events" / f"{check_run_id(run_id)}.jsonl"

    def lock(self, run_id: str) -> Path:
        """`reports/events/<run_id>.lock`, there while a process carries the run."""
        return self.journal(run_id).with_suffix(".lock")

    @property
    def start_lock(self) -> Path:
        """`reports/.start.lock`, there while a process begins a run."""
        return self.reports / ".start.lock"

    def units(self, run_id: str) -> Path:
        """`.runs/<run_id>/units/`, the results of the run's units under their content's hash."""
        return self.root / self.runs_dir / check_run_id(run_id) / "units"

    def memory(self, run_id: str) -> Path:
        """`reports/memory/<run_id>.json`."""
        return self.reports / "memory" / f"{check_run_id(run_id)}.json"

    def job(self, job_id: str) -> Path:
        """`.runs/<job_id>/`."""
        return self.root / self.runs_dir / check_name(job_id, "job id")

    def order(self, run_id: str) -> Path:
        """`reports/service/<run_id>/`, what the service was asked for and its worker's output."""
        return self.reports / "service" / check_run_id(run_id)

    def origin(self, run_id: str) -> Path:
        """`reports/imports/<run_id>.json`, there for a run that was imported."""
        return self.reports / "imports" / f"{check_run_id(run_id)}.json"

    def report_folder(self, run_id: str) -> ArtifactFolder:
        """`reports/<run_id>/`, for reporters."""
        return ArtifactFolder(self.reports / check_run_id(run_id), self.root)

    def relative(self, path: Path) -> str:
        """A path as artifacts are named: relative to the home folder."""
        return path.relative_to(self.root).as_posix()

    def run_ids(self) -> list[str]:
        """Ids of every run that has begun here, oldest name first."""
        found = (path.stem for path in (self.reports / "events").glob("*.jsonl"))
        return sorted(run_id for run_id in found if is_run_id(run_id) and self.has_run(run_id))

    def has_run(self, run_id: str) -> bool:
        """Whether a run of that id has begun: a journal without a byte is no run."""
        try:
            return self.journal(run_id).stat().st_size > 0
        except OSError:
            return False


@dataclass(frozen=True)
class ArtifactFolder:
    """One run's folder of artifacts; remembers what was written."""

    folder: Path
    home: Path
    written: list[str] = field(default_factory=list)
    """Paths relative to the home folder, in the order written."""

    def write_bytes(self, name: str, data: bytes) -> str:
        """Write one file atomically; returns its path relative to the home folder.

        Raises InvalidName for a name that is not a plain file name, StorageError when it can't.
        """
        path = self.folder / check_name(name, "artifact name")
        write_atomic(path, data)
        relative = path.relative_to(self.home).as_posix()
        if relative not in self.written:
            self.written.append(relative)
        return relative

    def write_text(self, name: str, text: str) -> str:
        """`write_bytes` for UTF-8 text."""
        return self.write_bytes(name, text.encode())

    def write_json(self, name: str, content: Mapping[str, Any] | Sequence[Any]) -> str:
        """`write_bytes` for indented JSON; NaN is refused."""
        return self.write_bytes(name, json_bytes(content))
