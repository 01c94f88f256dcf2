"""The section `plugins: {reflection_rules: {...}}`."""

from __future__ import annotations

from pydantic import Field

from orchestra_core import StrictModel


class Settings(StrictModel):
    """Thresholds; every figure a decision was based on is recorded with it."""

    failure_rate: float = Field(default=0.3, ge=0, le=1)
    """More failed requests than this share of a rung end the run."""
    recall_variance: float = Field(default=0.02, gt=0)
    """The field is shrunk once the objective's mean is known this well: the largest sampling variance
    (variance over queries / number of queries) of any configuration is at most this."""
    plateau: float = Field(default=0.0, ge=0)
    """The grid ends early when the leader gained no more than this for `plateau_rungs` rungs, with
    all survivors within epsilon of each other."""
    plateau_rungs: int = Field(default=2, ge=1)
