"""Built indexes on disk: one folder per content hash, complete and verified, or not there at all.

Two processes may build the same folder at once: the first one to rename its own wins, and both
use what is there. A folder whose files do not match their sums is put aside and built again.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from orchestra_core.artifacts import storage_errors

if TYPE_CHECKING:
    from collections.abc import Callable

_MANIFEST = "manifest.json"
_ATTEMPTS = 3


def stored_folder(root: Path, name: str, build: Callable[[Path], None]) -> Path:
    """The verified folder `root/name`; `build` fills an empty folder when there is none.

    Raises StorageError when the folder cannot be written; whatever `build` raises goes through,
    and leaves nothing behind.
    """
    final = root / name
    for _ in range(_ATTEMPTS):
        if _is_intact(final):
            return final
        with storage_errors(final):
            _build_into(final, build)
    return final


def _build_into(final: Path, build: Callable[[Path], None]) -> None:
    final.parent.mkdir(parents=True, exist_ok=True)
    work = Path(tempfile.mkdtemp(prefix=".building-", dir=final.parent))
    try:
        build(work)
        (work / _MANIFEST).write_text(json.dumps(_sums(work)), encoding="utf-8")
        _replace(work, final)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _replace(work: Path, final: Path) -> None:
    if _is_intact(final):
        return  # another process was first, and its content is the same
    if final.exists():
        aside = Path(tempfile.mkdtemp(prefix=".damaged-", dir=final.parent))
        try:
            final.rename(aside / "content")
        finally:
            shutil.rmtree(aside, ignore_errors=True)
    try:
        work.rename(final)
    except OSError:
        if not _is_intact(final):
            raise


def _is_intact(folder: Path) -> bool:
    try:
        expected = json.loads((folder / _MANIFEST).read_text(encoding="utf-8"))
        return bool(expected == _sums(folder))
    except (OSError, ValueError):
        return False


def _sums(folder: Path) -> dict[str, str]:
    return {
        path.name: _sum(path)
        for path in sorted(folder.iterdir())
        if path.name != _MANIFEST and path.is_file()
    }


def _sum(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
