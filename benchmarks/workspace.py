"""Fresh folders on the disk that the project lies on, all removed when the last figure is taken.

Not in the system's temporary folder, and not one by one: for minutes after files were deleted, ext4 is
up to twenty times slower in creating new ones nearby, because it passes over their inodes. Tests and
benchmarks that tidy up as they go would measure that.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

WORK = Path(__file__).resolve().parent / ".work"
MEMORY = Path("/dev/shm")  # noqa: S108 # a file system, not a guessable file


def fresh_folder() -> Path:
    """A new empty folder on disk."""
    WORK.mkdir(exist_ok=True)
    return Path(mkdtemp(dir=WORK))


@contextmanager
def folder_in_memory() -> Iterator[Path]:
    """A new empty folder on a file system in memory, removed afterwards."""
    with TemporaryDirectory(dir=MEMORY, prefix="orchestra-bench-") as folder:
        yield Path(folder)


@contextmanager
def workspace() -> Iterator[None]:
    """Remove every fresh folder at the end, and what an interrupted run may have left."""
    try:
        yield
    finally:
        shutil.rmtree(WORK, ignore_errors=True)
