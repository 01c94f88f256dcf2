"""The Pareto chart as geometry: where each configuration's mark, the front and the axes lie."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from orchestra_core.report import Report
from orchestra_core.telling.points import Arm, Point, Role, Scatter, arms, scatter
from orchestra_core.telling.units import significant

LOG_FROM = 20.0
"""Latencies that differ by more than this factor are drawn on a logarithmic axis."""
FEW_TICKS = 5
"""More numbers than these on an axis are thinned out where the drawing is narrow."""
Place = Callable[[float], float]


@dataclass(frozen=True)
class Mark:
    """One configuration, as the grid or as the A/B measured it."""

    config_id: str
    x: float
    y: float
    """In percent of the drawing's area, from the top left."""
    kind: str
    """`winner`, `baseline`, `challenger`, `front`, `kept` or `dropped`."""
    stage: str
    """`grid` or `ab`: whose figures they are."""
    early: bool
    """Whether its figures rest on fewer queries than those it is drawn among."""
    label: str
    """What a screen reader says, and what stands there without a script."""


@dataclass(frozen=True)
class Tick:
    """A line of the grid and its number."""

    at: float
    label: str
    spare: bool = False
    """Its number is left out where the drawing is narrow."""


@dataclass(frozen=True)
class Line:
    """From the baseline to the challenger."""

    x1: float
    y1: float
    x2: float
    y2: float
    verdict: str


@dataclass(frozen=True)
class Legend:
    """What a sign means."""

    sign: str
    kind: str
    meaning: str


@dataclass(frozen=True)
class Chart:
    """Everything the drawing needs; marks by rising latency, so that arrow keys walk along."""

    marks: tuple[Mark, ...]
    front: str
    """Path data of the front's steps in percent; empty with fewer than two points."""
    ab: Line | None
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    x_label: str
    y_label: str
    notes: tuple[str, ...]
    legend: tuple[Legend, ...]


def pareto_chart(report: Report) -> Chart | None:
    """The chart of a report; None while no configuration has both quality and latency.

    Once there is an A/B, baseline and challenger stand where it measured them, on the same queries;
    what the grid measured of them are marks like those of all others.
    """
    found, tested = scatter(report), arms(report)
    if not found.points:
        return None
    if tested:  # a baseline outside the space has no other figures than those
        found = replace(found, points=tuple(point for point in found.points if point.raced))
    everything: list[Point | Arm] = [*found.points, *tested]
    x_of, x_ticks, x_kind = _latency_axis([one.latency for one in everything])
    y_of, y_ticks = _quality_axis([one.quality for one in everything])
    dropped = {c.config_id for c in report.candidates if c.drop is not None}
    metric = report.objective.maximize
    grid = [
        Mark(p.config_id, x_of(p.latency), y_of(p.quality), _kind(p, dropped, bool(tested)), "grid",
             not p.complete, _label(p, metric))
        for p in found.points
    ]  # fmt: skip
    ab = [
        Mark(a.config_id, x_of(a.latency), y_of(a.quality), a.role, "ab", False, _arm(a, metric))
        for a in tested
    ]
    by_id = {mark.config_id: mark for mark in grid}
    marks = tuple(sorted([*grid, *ab], key=lambda mark: (mark.x, -mark.y, mark.stage)))
    return Chart(
        marks,
        _steps([by_id[point.config_id] for point in found.front]),
        _line(ab, report),
        x_ticks,
        y_ticks,
        f"p95 latency in ms{x_kind}",
        metric,
        _notes(found, tested),
        _legend(marks, found, tested),
    )


def _kind(point: Point, dropped: set[str], tested: bool) -> str:
    if point.role is not None and not tested:
        return point.role
    if point.on_front:
        return "front"
    return "dropped" if point.config_id in dropped else "kept"


def _label(point: Point, metric: str) -> str:
    role = f", {point.role}" if point.role else ""
    front = ", on the front" if point.on_front else ""
    return f"{point.config_id}{role}{front}: {_figures(point, metric, 'tuning')}"


def _arm(arm: Arm, metric: str) -> str:
    return f"{arm.config_id}, {arm.role} in the A/B: {_figures(arm, metric, 'other')}"


def _figures(one: Point | Arm, metric: str, whose: str) -> str:
    asked = f" on {one.queries:,} {whose} queries" if one.queries else ""
    return f"{metric} {one.quality:.4f}, p95 {significant(one.latency)} ms{asked}"


def _notes(found: Scatter, tested: Sequence[Arm]) -> tuple[str, ...]:
    count = sum(point.raced for point in found.points)
    on = f" on {found.queries:,} tuning queries" if found.queries else ""
    parts = [
        f"{count:,} {'configuration' if count == 1 else 'configurations'} as the grid measured them{on}"
    ]
    if any(not point.complete for point in found.points):
        parts.append("hollow: asked fewer, so they compare less well and take no part in the front")
    if tested:
        names = " and ".join(arm.role for arm in tested)
        parts.append(
            f"{names} as the A/B measured them, both on the same {tested[0].queries:,} other queries"
        )
    if found.left_out:
        parts.append(f"{found.left_out:,} not measured")
    return tuple(f"{part[:1].upper()}{part[1:]}." for part in parts)


_SIGNS: dict[Role, str] = {"winner": "★", "challenger": "◆", "baseline": "■"}


def _legend(marks: Sequence[Mark], found: Scatter, tested: Sequence[Arm]) -> tuple[Legend, ...]:
    """Only what is there."""
    asked = f" ({tested[0].queries:,} queries)" if tested else ""
    kinds = {mark.kind for mark in marks if not mark.early}
    told = [Legend(sign, role, f"{role}{asked}") for role, sign in _SIGNS.items()
            if any(mark.kind == role for mark in marks)]  # fmt: skip
    circles = {"front": "on the front", "kept": "stayed to the end", "dropped": "dropped at the end"}
    told += [Legend("●", kind, meaning) for kind, meaning in circles.items() if kind in kinds]
    if any(not point.complete for point in found.points):
        told.append(Legend("○", "dropped", "fewer queries"))
    return tuple(told)


def _line(ab: Sequence[Mark], report: Report) -> Line | None:
    if len(ab) != 2 or report.verdict is None:
        return None
    first, last = ab
    return Line(first.x, first.y, last.x, last.y, report.verdict.kind)


def _latency_axis(values: Sequence[float]) -> tuple[Place, tuple[Tick, ...], str]:
    low, high = min(values), max(values)
    if low > 0 and high / low > LOG_FROM:
        first, last = math.log10(low / 1.15), math.log10(high * 1.15)
        scale = _linear(first, last, 0, 100)
        ticks = _one_two_five(low / 1.15, high * 1.15)
        placed = [Tick(scale(math.log10(v)), significant(v, 1)) for v in ticks]
        return lambda value: scale(math.log10(value)), _thinned(placed), " (logarithmic)"
    # Latencies that hardly differ stand close together, whatever the room.
    margin = max((high - low) * 0.06, abs(high) * 0.1) or 0.1
    first, last = max(0.0, low - margin), high + margin
    scale = _linear(first, last, 0, 100)
    return scale, _nice(first, last, scale), ""


def _quality_axis(values: Sequence[float]) -> tuple[Place, tuple[Tick, ...]]:
    low, high = min(values), max(values)
    margin = (high - low) * 0.08 or 0.02
    first, last = max(0.0, low - margin), min(1.0, high + margin)
    if last <= first:
        first, last = first - 0.02, last + 0.02
    scale = _linear(first, last, 100, 0)
    return scale, _nice(first, last, scale)


def _linear(first: float, last: float, start: float, end: float) -> Place:
    return lambda value: round(start + (value - first) / (last - first) * (end - start), 2)


def _nice(first: float, last: float, scale: Place) -> tuple[Tick, ...]:
    """About five round numbers between the ends."""
    rough = (last - first) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough)
    places = max(0, -math.floor(math.log10(step)) + (1 if step / power == 2.5 else 0))
    begin = math.ceil(first / step - 1e-9)
    numbers = [i * step for i in range(begin, begin + 12) if i * step <= last + 1e-9]
    return _thinned([Tick(scale(number), f"{number:.{places}f}") for number in numbers])


def _thinned(ticks: Sequence[Tick]) -> tuple[Tick, ...]:
    many = len(ticks) > FEW_TICKS
    return tuple(Tick(tick.at, tick.label, many and i % 2 == 1) for i, tick in enumerate(ticks))


def _one_two_five(low: float, high: float) -> list[float]:
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    every = [factor * 10.0**power for power in powers for factor in (1, 2, 5)]
    inside = [value for value in every if low <= value <= high]
    return inside if len(inside) <= 8 else [v for v in inside if significant(v, 1).strip("0.") == "1"]


def _steps(marks: Sequence[Mark]) -> str:
    """Right, then up: between two points of a front nothing better was found."""
    if len(marks) < 2:
        return ""
    first, *others = marks
    return f"M{first.x} {first.y}" + "".join(f"H{mark.x}V{mark.y}" for mark in others)
