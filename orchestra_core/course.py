"""The course of a run, as the report tells it: how far its stages came, and its journal in words."""

from __future__ import annotations

from typing import Literal

from orchestra_core.fields import StrictModel


class StageSummary(StrictModel):
    """How far a stage of the plan came; `done` evaluations of at most `planned`, as far as is known."""

    name: str
    status: Literal["waiting", "running", "done", "failed"]
    planned: int = 0
    done: int = 0


class ToldEvent(StrictModel):
    """One line of the journal, in words."""

    seq: int
    event_type: str
    created_at: str
    message: str = ""
