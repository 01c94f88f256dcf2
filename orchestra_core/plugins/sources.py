"""The version of a plugin that no distribution has a version for: the hash of its source."""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from types import ModuleType

LENGTH = 12
"""Hexadecimal digits that tell one source from another."""


def source_version(module_name: str) -> str:
    """`sha256:` and the first digits of the hash of a loaded module's file; empty where it has none.

    Of a module in a package, or a package: every Python file below the outermost one's folder.
    """
    module = sys.modules.get(module_name)
    outermost = sys.modules.get(module_name.partition(".")[0])
    files = _files(outermost) or _files(module)
    digest = hashlib.sha256()
    for name, path in files:
        try:
            content = path.read_bytes()
        except OSError:
            continue
        digest.update(f"{name}\0{len(content)}\0".encode("utf-8", "surrogatepass") + content)
    return f"sha256:{digest.hexdigest()[:LENGTH]}" if files else ""


def _files(module: ModuleType | None) -> list[tuple[str, Path]]:
    """A module's own file, or all of a package's, by their names from its folder, sorted."""
    file = getattr(module, "__file__", None)
    if file is None:  # built in, or a folder without __init__.py
        return []
    path = Path(file)
    if not hasattr(module, "__path__"):
        return [(path.name, path)]
    folder = path.parent
    return sorted((p.relative_to(folder).as_posix(), p) for p in folder.rglob("*.py"))
