"""Files and folders that are there only while a process fills them.

Whoever makes one holds the kernel's lock on it, and nobody breaks it by age; so what a killed process
left is told from what is in use. Used by `artifacts`; `housekeeping` removes what nobody holds.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

_NAME = re.compile(r"\..+\.[0-9a-f]{8}\.tmp")
_LOOK = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK


def is_temporary(path: Path) -> bool:
    """Whether it is named as those that are made here."""
    return _NAME.fullmatch(path.name) is not None


@contextmanager
def temporary_file(target: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """A new file beside `target`, open for writing; removed at the end unless it was renamed."""
    path, stream = _new_file(target)
    try:
        with stream:
            yield path, stream
    finally:
        path.unlink(missing_ok=True)


@contextmanager
def temporary_folder(target: Path) -> Iterator[Path]:
    """A new folder beside `target`; removed at the end unless it was renamed."""
    path, descriptor = _new_folder(target)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
        os.close(descriptor)


def remove_unheld(path: Path) -> bool:
    """Remove one that nobody holds; False when somebody does, or it is gone. Raises OSError."""
    try:
        descriptor = os.open(path, _LOOK)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    except BlockingIOError:
        return False
    finally:
        os.close(descriptor)
    return True


def _new_file(target: Path) -> tuple[Path, BinaryIO]:
    while True:
        path = _beside(target)
        stream = path.open("xb")
        if _hold(stream.fileno(), path):
            return path, stream
        stream.close()


def _new_folder(target: Path) -> tuple[Path, int]:
    while True:
        path = _beside(target)
        path.mkdir(parents=True)
        try:
            descriptor = os.open(path, _LOOK)
        except FileNotFoundError:
            continue
        if _hold(descriptor, path):
            return path, descriptor
        os.close(descriptor)


def _hold(descriptor: int, path: Path) -> bool:
    """Take the lock; False when the file was removed before it could be held."""
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        return os.path.samestat(os.fstat(descriptor), path.lstat())
    except FileNotFoundError:
        return False


def _beside(target: Path) -> Path:
    return target.with_name(f".{target.name[:180]}.{secrets.token_hex(4)}.tmp")
