"""This plugin's section of the experiment: `plugins: {reporters: {…}}`."""

from __future__ import annotations

from pydantic import Field

from orchestra_core.fields import StrictModel


class ReportersSettings(StrictModel):
    """What the artifacts show, and how finely the pictures are drawn."""

    top_n_failures: int = Field(default=10, ge=1)
    """Rows of `failTopN.csv`, and of the failures in `winners.md`."""
    top_n_candidates: int = Field(default=10, ge=1)
    """Rows of the candidates' table in `winners.md`; the baseline comes on top of them."""
    plots: bool = True
    """False: no `pareto.png` and no `ab_diff.png`."""
    page: bool = True
    """False: no `report.html`."""
    dpi: int = Field(default=144, ge=72, le=400)
    """Dots per inch of the pictures; 144 makes `pareto.png` 1584 dots wide."""
