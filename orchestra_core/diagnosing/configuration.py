"""Where each layer of the experiment comes from, and which plugins there are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from orchestra_core.diagnosing.findings import Diagnosis
from orchestra_core.layers import DEFAULT_FILE, Layers, is_meant_as_key
from orchestra_core.plugins.manager import PluginStatus
from orchestra_core.session import Request
from orchestra_core.telling.units import counted

AREA = "configuration"
_SHOWN = 4


def tell_layers(found: Diagnosis, request: Request, layers: Layers, environ: Mapping[str, str]) -> None:
    """A row per layer, from the lowest to the highest; a later one wins."""
    keys = _leaves(layers)
    defaults = sorted({o for o in keys.values() if o.startswith("default of ")})
    for origin in defaults:
        named = [key for key, whence in keys.items() if whence == origin]
        found.add(AREA, "defaults", "ok", f"{counted(len(named), 'key')}, {origin}")
    file = request.file or Path(DEFAULT_FILE)
    from_file = {k: o for k, o in keys.items() if o.startswith(f"{file}, line ")}
    if from_file or request.file is not None or (file.is_file() and not request.only_defaults):
        found.add(AREA, "file", "ok", f"{file}: {_listed(from_file)}", details=from_file)
    else:
        found.add(AREA, "file", "info", f"there is no {DEFAULT_FILE} here; write one: orchestra init")
    variables = sorted(filter(is_meant_as_key, environ))
    _tell(found, "environment", variables)
    _tell(found, "--set", [f"{a.partition('=')[0].strip()}" for a in request.assignments])


def tell_plugins(found: Diagnosis, statuses: Iterable[PluginStatus], runner: str | None = None) -> None:
    """A row per plugin that is not the core's own."""
    for status in statuses:
        if status.builtin:
            continue
        candidate = status.candidate
        whence = f"{candidate.distribution or candidate.module} {candidate.version}".strip()
        if status.error is not None:
            message = f"{whence}: {status.error.message}"
            hint = status.error.hint or f"Switch it off: --plugins no:{status.name}"
            found.add("plugins", status.name, "warn", message, hint)
        elif status.status == "off":
            found.add("plugins", status.name, "info", f"{whence}: switched off")
        else:
            role = ", the runner" if status.name == runner else ""
            found.add("plugins", status.name, "ok", f"{whence}{role}")


def _leaves(layers: Layers) -> dict[str, str]:
    """Dotted key → where it was set, without keys that only hold others."""
    paths = {tuple(map(str, path)): origin for path, origin in layers.origins.items()}
    parents = {path[:length] for path in paths for length in range(1, len(path))}
    return {".".join(path): origin for path, origin in paths.items() if path not in parents}


def _tell(found: Diagnosis, name: str, keys: list[str]) -> None:
    if keys:
        found.add(AREA, name, "ok", _listed(keys))
    else:
        found.add(AREA, name, "info", "sets nothing")


def _listed(keys: Iterable[str]) -> str:
    named = list(keys)
    if not named:
        return "0 keys"
    more = ", …" if len(named) > _SHOWN else ""
    return f"{counted(len(named), 'key')} ({', '.join(named[:_SHOWN])}{more})"
