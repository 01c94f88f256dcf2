"""How a difference and its interval are written, on the page and in the picture alike."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from orchestra_core.telling.units import MISSING, places, scale_for

if TYPE_CHECKING:
    from orchestra_core.report import MetricDifference


_FIGURES = ("baseline", "challenger", "delta", "ci_low", "ci_high")


def rescaled(unit: str, rows: Sequence[MetricDifference]) -> tuple[str, list[MetricDifference]]:
    """A unit in which the rows' figures read well, by name, and the rows in it; all share `unit`."""
    sizes = [abs(value) for row in rows for value in known(row, _FIGURES)]
    per_query = all("per_query" in row.metric for row in rows)
    scale = scale_for(unit, max(sizes, default=0.0), per_query=per_query)
    return scale.label, [_times(row, scale.factor) for row in rows]


def _times(row: MetricDifference, factor: float) -> MetricDifference:
    figures = {name: getattr(row, name) for name in (*_FIGURES, "margin")}
    return row.model_copy(update={n: None if v is None else v * factor for n, v in figures.items()})


def known(row: MetricDifference, names: Sequence[str]) -> list[float]:
    """Those of the row's figures that were measured."""
    return [value for name in names if (value := getattr(row, name)) is not None]


def change(row: MetricDifference, unit: str) -> tuple[str, str]:
    """The difference, and its interval (`+0.0307 to +0.0735`), with as many decimals as each other."""
    values = known(row, ("delta", "ci_low", "ci_high"))
    decimals = 4 if unit == "" else places(max(map(abs, values), default=0.0))
    delta = MISSING if row.delta is None else signed(row.delta, decimals)
    if row.ci_low is None or row.ci_high is None:
        return delta, MISSING
    return delta, f"{signed(row.ci_low, decimals)} to {signed(row.ci_high, decimals)}"


def signed(value: float, decimals: int) -> str:
    """A figure with its sign always shown, except where it rounds to zero."""
    text = f"{value:+.{decimals}f}"
    return text if any(digit in text for digit in "123456789") else text[1:]


def percent(confidence: float) -> str:
    """A confidence for people: `95 %`, `96.3 %`."""
    return "> 99.9 %" if confidence > 0.999 else f"{100 * confidence:.3g} %"


def level(row: MetricDifference) -> str:
    """What the row's interval is called."""
    return f"{percent(row.confidence)} interval"
