"""From intervals to a verdict: win, no_difference, regression or inconclusive."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import inf

from orchestra_core.fields import Margin
from orchestra_core.report import MetricDifference, VerdictKind


@dataclass(frozen=True, slots=True)
class Settled:
    """A verdict with its reason."""

    kind: VerdictKind
    reason: str
    undecided: tuple[str, ...] = ()
    """The metrics that keep it inconclusive; empty where something else does, or nothing."""
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
    every margin is shown to hold. regression: it lies below zero, or a margin is broken beyond doubt,
    whatever the others are. no_difference: it lies within ±epsilon. Else inconclusive. A row without an
    upper end is endless, so its margin is not shown to hold.
    """
    low, high = quality.ci_low or 0.0, quality.ci_high or 0.0
    shown = f"{quality.metric} {quality.delta or 0.0:+.4f} [{low:+.4f}, {high:+.4f}]"
    if high < 0:
        return Settled("regression", f"{shown}: the interval lies below zero")
    if low > 0 and not high <= epsilon:
        return _with_margins(shown, "the interval lies above zero", others, margins)
    gain = second and gained(others, second.metric)
    if second and gain and low >= -second.tolerance:
        told = f"no more than {second.tolerance:g} is lost, and {_told(gain)} is better"
        return _with_margins(shown, told, others, margins)
    if -epsilon <= low and high <= epsilon:
        return Settled("no_difference", f"{shown}: the interval lies within ±{epsilon:g}")
    return Settled("inconclusive", f"{shown}: the interval holds zero", (quality.metric,))


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
    missing = (metric for metric in margins if metric not in rows)
    warnings = tuple(f"{m} was not measured, so its margin was not checked" for m in missing)
    broken, undecided = {}, {}
    for metric, margin in margins.items():
        if (row := rows.get(metric)) is None:
            continue
        if row.ci_high is None or row.baseline is None:
            undecided[metric] = f"{metric} may be endless: timed requests failed"
            continue
        allowed = margin.allowed(row.baseline)
        if row.ci_low is not None and row.ci_low > allowed:
            broken[metric] = f"{_told(row)} is worse than allowed +{allowed:.4g}"
        elif row.ci_high > allowed:
            undecided[metric] = f"{_told(row)} may be worse than allowed +{allowed:.4g}"
    if broken:
        return Settled("regression", _but(shown, broken.values()), (), warnings)
    if undecided:
        reason = _but(shown, undecided.values())
        return Settled("inconclusive", reason, tuple(undecided), warnings)
    return Settled("win", f"{shown}: {why}, margins hold", (), warnings)


def _but(shown: str, told: Iterable[str]) -> str:
    return f"{shown}, but {'; '.join(told)}"
