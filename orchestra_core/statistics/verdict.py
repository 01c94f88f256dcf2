"""From intervals to a verdict: win, no_difference, regression or inconclusive."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import inf

from orchestra_core.fields import Margin
from orchestra_core.report import MetricDifference, VerdictKind


@dataclass(frozen=True, slots=True)
class Settled:
    """A verdict with its reason; `by_quality` tells whether more queries could change it."""

    kind: VerdictKind
    reason: str
    by_quality: bool
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Second:
    """A second objective: what is minimised, and how much quality its gain may cost."""

    metric: str
    tolerance: float


def settle(
    quality: MetricDifference,
    others: Sequence[MetricDifference],
    margins: Mapping[str, Margin],
    epsilon: float,
    second: Second | None = None,
) -> Settled:
    """Judge the objective's interval, then the margins of what must not get worse.

    The interval agrees with its randomisation test (`paired_difference`). win: it lies above zero and
    every margin is shown to hold. regression: it lies below zero, or a margin is broken beyond doubt.
    no_difference: it lies within ±epsilon. Else inconclusive. A row without an upper end is endless, so
    its margin is not shown to hold.
    """
    low, high = quality.ci_low or 0.0, quality.ci_high or 0.0
    shown = f"{quality.metric} {quality.delta or 0.0:+.4f} [{low:+.4f}, {high:+.4f}]"
    if high < 0:
        return Settled("regression", f"{shown}: the interval lies below zero", True)
    if low > 0 and not high <= epsilon:
        return _with_margins(shown, "the interval lies above zero", others, margins)
    gain = second and gained(others, second.metric)
    if second and gain and low >= -second.tolerance:
        told = f"no more than {second.tolerance:g} is lost, and {_told(gain)} is better"
        return _with_margins(shown, told, others, margins)
    if -epsilon <= low and high <= epsilon:
        return Settled("no_difference", f"{shown}: the interval lies within ±{epsilon:g}", True)
    return Settled("inconclusive", f"{shown}: the interval holds zero", True)


def gained(others: Sequence[MetricDifference], metric: str) -> MetricDifference | None:
    """The row of a metric that is better beyond doubt; None when it is not."""
    rows = (row for row in others if row.metric == metric)
    return next((row for row in rows if row.ci_high is not None and row.ci_high < 0), None)


def _told(row: MetricDifference) -> str:
    low = -inf if row.ci_low is None else row.ci_low
    high = inf if row.ci_high is None else row.ci_high
    return f"{row.metric} {row.delta or 0.0:+.4g} [{low:+.4g}, {high:+.4g}]"


def _with_margins(
    shown: str, why: str, others: Sequence[MetricDifference], margins: Mapping[str, Margin]
) -> Settled:
    rows = {row.metric: row for row in others}
    warnings: list[str] = []
    for metric, margin in margins.items():
        row = rows.get(metric)
        if row is None:
            warnings.append(f"{metric} was not measured, so its margin was not checked")
            continue
        if row.ci_high is None or row.baseline is None:
            reason = f"{shown}, but {metric} may be endless: timed requests failed"
            return Settled("inconclusive", reason, False, tuple(warnings))
        allowed = margin.allowed(row.baseline)
        low = -inf if row.ci_low is None else row.ci_low
        told = _told(row)
        limit = f"allowed +{allowed:.4g}"
        if low > allowed:
            reason = f"{shown}, but {told} is worse than {limit}"
            return Settled("regression", reason, False, tuple(warnings))
        if row.ci_high > allowed:
            reason = f"{shown}, but {told} may be worse than {limit}"
            return Settled("inconclusive", reason, False, tuple(warnings))
    return Settled("win", f"{shown}: {why}, margins hold", True, tuple(warnings))
