"""Libraries that come with an extra: look for them before they are needed."""

from __future__ import annotations

from importlib.util import find_spec

from orchestra_core.errors import UsageError

DISTRIBUTION = "orchestra-fiqa-runner"
DATABASE = ("psycopg", "psycopg_pool", "pgvector")
"""What the extra `pgvector` brings; `demo` brings a server as well."""


def require(extra: str, *modules: str) -> None:
    """Raises UsageError naming the extra when one of its modules is not installed."""
    missing = [module for module in modules if find_spec(module) is None]
    if missing:
        told = " and ".join(filter(None, (", ".join(missing[:-1]), missing[-1])))
        raise UsageError(
            f"this needs {told}, which {'is' if len(missing) == 1 else 'are'} not installed",
            hint=f"pip install '{DISTRIBUTION}[{extra}]'",
        )
