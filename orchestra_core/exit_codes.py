"""What a run's journal means to the shell: DESIGN §9. Used by the engine and by commands on runs."""

from __future__ import annotations

from orchestra_core.errors import GuardDenied, InfrastructureError, OrchestraError
from orchestra_core.journal.state import RunState

VERDICT_CODES = {"win": 0, "no_difference": 0, "regression": 1, "inconclusive": 4}


def exit_code_of(state: RunState) -> int:
    """The exit code that a finished run's journal stands for."""
    ending, publication = state.ending or {}, state.publication or {}
    if "exit_code" in ending:
        return int(ending["exit_code"])
    if publication.get("denied"):
        return GuardDenied.exit_code
    if not publication.get("comparable", True):  # a verdict on an index that changed is not usable
        return InfrastructureError.exit_code
    if state.status == "completed" and "ab" not in _planned(state):
        return 0
    return VERDICT_CODES.get((state.verdict or {}).get("kind", ""), OrchestraError.exit_code)


def _planned(state: RunState) -> set[str]:
    return {stage["name"] for stage in state.started.get("plan", {}).get("stages", ())}
