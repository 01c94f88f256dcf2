"""Libraries that come with an extra: look for them before they are needed."""

from __future__ import annotations

from importlib.util import find_spec

from orchestra_core.errors import UsageError

DISTRIBUTION = "orchestra-fiqa-runner"


def require(extra: str, *modules: str) -> None:
    """Raises UsageError naming the extra when one of its modules is not installed."""
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        raise UsageError(
            f"this needs {', '.join(missing)}, which is not installed",
            hint=f"pip install '{DISTRIBUTION}[{extra}]'",
        )
