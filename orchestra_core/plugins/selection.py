"""What `--plugins` asks for: filter first, import second.

`fiqa` names the run's runner or any other plugin that must load; `my_pkg.my_module` adds a module;
`no:reporters` switches one off. Without a word about it, every installed plugin is on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from orchestra_core.errors import PluginNotFound, UsageError, nearest
from orchestra_core.plugins.discovery import PluginCandidate
from orchestra_core.plugins.known import install_hint

_WORD = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]*")


@dataclass(frozen=True, slots=True)
class Selection:
    """A parsed `--plugins` value."""

    wanted: tuple[str, ...] = ()
    """Names and modules asked for; failing to load one is fatal."""
    blocked: frozenset[str] = frozenset()


def parse_selection(values: Iterable[str]) -> Selection:
    """Parse comma-separated words. Raises UsageError for a word that can't be a plugin."""
    words = [word.strip() for value in values for word in value.split(",") if word.strip()]
    for word in words:
        if not _WORD.fullmatch(word.removeprefix("no:")):
            raise UsageError(
                f"'{word}' is not a plugin name or module",
                where="--plugins",
                hint="Write names separated by commas, such as: fiqa,my_pkg.my_module,no:reporters",
            )
    blocked = frozenset(w.removeprefix("no:") for w in words if w.startswith("no:"))
    wanted = tuple(dict.fromkeys(w for w in words if not w.startswith("no:")))
    if clash := blocked.intersection(wanted):
        raise UsageError(f"'{min(clash)}' is both asked for and switched off", where="--plugins")
    return Selection(wanted, blocked)


def choose(
    selection: Selection, installed: Mapping[str, PluginCandidate]
) -> tuple[PluginCandidate, ...]:
    """The candidates to load, installed ones first. Raises PluginNotFound for an unknown name."""
    for name in sorted(selection.blocked - installed.keys()):
        raise _not_found(name, installed)
    chosen = {n: c for n, c in installed.items() if n not in selection.blocked}
    for word in selection.wanted:
        if word not in chosen:
            chosen[word] = _as_module(word, installed)
    return tuple(chosen.values())


def _as_module(word: str, installed: Mapping[str, PluginCandidate]) -> PluginCandidate:
    if "." not in word and ":" not in word and not _importable(word):
        raise _not_found(word, installed)
    return PluginCandidate(name=word, module=word)


def _importable(word: str) -> bool:
    from importlib.util import find_spec

    try:
        return find_spec(word) is not None
    except ValueError:  # such as __main__, which has no spec
        return False


def _not_found(name: str, installed: Mapping[str, PluginCandidate]) -> PluginNotFound:
    hint = install_hint(name) or _folder_hint(name) or nearest(name, installed)
    hint = hint or "No plugins are installed; see `orchestra plugins list`."
    return PluginNotFound(f"plugin '{name}' is not installed", where="--plugins", hint=hint)


def _folder_hint(name: str) -> str:
    if Path(f"{name}.py").exists() or Path(name).is_dir():
        return f"'{name}' lies in this folder, but Python does not look here; set PYTHONPATH=."
    return ""
