"""The A/B's rows as the page draws them: figures, and where interval and margin lie on a line."""

from __future__ import annotations

from dataclasses import dataclass

from orchestra_core.report import MetricDifference, Verdict
from orchestra_core.telling.units import figure, higher_is_better, p_value, unit_of

WIDTH = 220.0


@dataclass(frozen=True)
class Bar:
    """Places on a line of `WIDTH` units, zero and both ends of the interval on it."""

    zero: float
    low: float
    high: float
    delta: float
    margin: float | None


@dataclass(frozen=True)
class DifferenceRow:
    """One metric of the A/B."""

    metric: str
    unit: str
    baseline: str
    challenger: str
    delta: str
    interval: str
    p_value: str
    direction: str
    """`better`, `worse` or `open`: what the interval says."""
    bar: Bar | None


def difference_rows(verdict: Verdict) -> tuple[DifferenceRow, ...]:
    """Every row of the difference table."""
    return tuple(_row(row) for row in verdict.diff_table)


def _row(row: MetricDifference) -> DifferenceRow:
    unit = unit_of(row.metric, row.unit)
    low, high = row.ci_low, row.ci_high
    interval = "" if low is None or high is None else f"{_signed(low, unit)} … {_signed(high, unit)}"
    return DifferenceRow(
        metric=row.metric,
        unit="" if row.metric.endswith(f"_{unit}") else unit,
        baseline=figure(row.baseline, unit),
        challenger=figure(row.challenger, unit),
        delta=_signed(row.delta, unit),
        interval=interval,
        p_value="" if row.p_value is None else p_value(row.p_value),
        direction=_direction(row, unit),
        bar=_bar(row),
    )


def _direction(row: MetricDifference, unit: str) -> str:
    if row.ci_low is None or row.ci_high is None or row.ci_low <= 0 <= row.ci_high:
        return "open"
    return "better" if (row.ci_low > 0) == higher_is_better(unit) else "worse"


def _bar(row: MetricDifference) -> Bar | None:
    if row.delta is None or row.ci_low is None or row.ci_high is None:
        return None
    shown = [0.0, row.ci_low, row.ci_high, row.delta]
    reach = max(abs(value) for value in shown) or 1.0
    # A margin far beyond the interval would shrink it to a dot: then it is not drawn.
    margin = row.margin if row.margin is not None and row.margin <= 3 * reach else None
    reach = max(reach, margin or 0.0) * 1.08

    def place(value: float) -> float:
        return round(WIDTH * (value + reach) / (2 * reach), 1)

    drawn = None if margin is None else place(margin)
    return Bar(place(0), place(row.ci_low), place(row.ci_high), place(row.delta), drawn)


def _signed(value: float | None, unit: str) -> str:
    text = figure(value, unit)
    return text if value is None or value < 0 else f"+{text}"
