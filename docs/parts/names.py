"""Names that the code knows: variables, errors, the public names."""

from __future__ import annotations

import inspect

import orchestra_core
from parts.tables import table


def replaced_whole() -> str:
    """The mappings that one layer replaces whole."""
    from orchestra_core.layers import REPLACED_WHOLE

    return ", ".join(f"`{'.'.join(path)}`" for path in sorted(REPLACED_WHOLE))


def reserved_variables() -> str:
    """ORCHESTRA_ variables that are no experiment keys."""
    from orchestra_core.layers import NOT_EXPERIMENT_KEYS

    return ", ".join(f"`{name}`" for name in sorted(NOT_EXPERIMENT_KEYS))


def errors() -> str:
    """A table of every error with its code and exit code."""
    from orchestra_core import errors as module
    from orchestra_core.errors import OrchestraError

    known = [
        c
        for c in vars(module).values()
        if inspect.isclass(c) and issubclass(c, OrchestraError) and c.__module__ == module.__name__
    ]
    rows = [
        (f"`{c.__name__}`", f"`{c.code}`", str(c.exit_code), (c.__doc__ or "").splitlines()[0])
        for c in known
        if c is not OrchestraError
    ]
    return table(("Error", "`type`", "Exit code", "Meaning"), rows)


def reference() -> str:
    """A mkdocstrings directive for every public class and function, under its module."""
    homes: dict[str, list[str]] = {}
    for name in orchestra_core.__all__:
        found = getattr(orchestra_core, name)
        if inspect.isclass(found) or inspect.isfunction(found):
            homes.setdefault(found.__module__, []).append(name)
    parts = []
    for module, names in homes.items():
        parts.append(f"## {module}")
        parts += [f"::: {module}.{name}" for name in names]
    return "\n\n".join(parts)
