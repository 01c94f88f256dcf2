"""Names of runs, jobs and artifacts, safe as parts of paths."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from datetime import UTC, datetime

from orchestra_core.errors import InvalidName

_SAFE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,199}")
RESERVED = frozenset({"events", "memory", "service", "imports", "winners.final.json", "latest"})
"""What no run may be called: folders and files of all runs together, and the word for the newest."""


def check_name(name: str, what: str = "name") -> str:
    """The name itself when it is safe as one part of a path, else raises InvalidName."""
    if not _SAFE.fullmatch(name) or ".." in name:
        raise InvalidName(
            f"{name!r} is not a valid {what}",
            hint="Use letters, digits, '_', '-' and '.'; no '/', no '..', at most 200 characters.",
        )
    return name


def check_run_id(run_id: str) -> str:
    """The id itself when a run may be called that, else raises InvalidName."""
    if run_id in RESERVED:
        hint = f"Choose another; taken are {', '.join(sorted(RESERVED))}."
        raise InvalidName(f"no run can be called '{run_id}'", hint=hint)
    return check_name(run_id, "run id")


def is_run_id(run_id: str) -> bool:
    """Whether a run may be called that."""
    return bool(_SAFE.fullmatch(run_id)) and ".." not in run_id and run_id not in RESERVED


def make_run_id(name: str, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> str:
    """`<name>-<UTC time>-<random>`; unique even when two runs start in one second."""
    return f"{name[:40].rstrip('-.')}-{clock():%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"
