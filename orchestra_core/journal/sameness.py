"""What the journal says of the index: whether it stayed what it was at the start of the run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from orchestra_core.journal.state import RunState


def changed_index(job: Mapping[str, Any]) -> str:
    """Why a job compares with none of another index, as a sentence; empty unless it is known to."""
    if job.get("comparable", True) is not False:
        return ""
    return f"the index changed during the run ({job['not_comparable_because']})"


def unknown_index(state: RunState) -> str:
    """Why it is not known whether the index is still the same; empty when the last look told."""
    last = next(reversed(state.jobs.values()), {})
    if last.get("comparable", True) is not None or (state.publication or {}).get("comparable"):
        return ""
    return f"whether the index changed during the run is not known: {last['not_comparable_because']}"


def warnings_of(state: RunState) -> list[str]:
    """The stages' warnings, and one where the index changed or may have."""
    changed = dict.fromkeys(filter(None, map(changed_index, state.jobs.values())))
    return [*state.warnings, *changed, *filter(None, [unknown_index(state)])]
