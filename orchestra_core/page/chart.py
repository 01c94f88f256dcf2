"""The Pareto chart as geometry: where each configuration's mark, the front and the axes lie."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from orchestra_core.report import Report
from orchestra_core.telling.points import Point, scatter
from orchestra_core.telling.units import significant

WIDTH, HEIGHT = 640, 400
LEFT, RIGHT, TOP, BOTTOM = 64, 16, 16, 52
LOG_FROM = 20.0
"""Latencies that differ by more than this factor are drawn on a logarithmic axis."""
Scale = Callable[[float], float]


@dataclass(frozen=True)
class Mark:
    """One configuration."""

    config_id: str
    x: float
    y: float
    """In the drawing's units, from the top left."""
    kind: str
    """`winner`, `baseline`, `challenger`, `front`, `kept` or `dropped`."""
    label: str
    """What a screen reader says, and what stands there without a script."""


@dataclass(frozen=True)
class Tick:
    """A line of the grid and its number."""

    at: float
    label: str


@dataclass(frozen=True)
class Chart:
    """Everything the drawing needs; marks by rising latency, so that arrow keys walk along."""

    marks: tuple[Mark, ...]
    front: str
    """Path data of the front's steps; empty with fewer than two points."""
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    x_label: str
    y_label: str
    note: str
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    top: int = TOP
    bottom: int = HEIGHT - BOTTOM


def pareto_chart(report: Report) -> Chart | None:
    """The chart of a report; None while no configuration has both quality and latency."""
    found = scatter(report)
    if not found.points:
        return None
    x_of, x_ticks, x_kind = _latency_axis([point.latency for point in found.points])
    y_of, y_ticks = _quality_axis([point.quality for point in found.points])
    dropped = {c.config_id for c in report.candidates if c.drop is not None}
    ordered = sorted(found.points, key=lambda point: (point.latency, point.quality))
    marks = [
        Mark(p.config_id, x_of(p.latency), y_of(p.quality), _kind(p, dropped), _label(p, report))
        for p in ordered
    ]
    by_id = {mark.config_id: mark for mark in marks}
    return Chart(
        tuple(marks),
        _steps([by_id[point.config_id] for point in found.front]),
        x_ticks,
        y_ticks,
        f"p95 latency in ms{x_kind}",
        report.objective.maximize,
        _note(len(found.points), found.left_out, found.queries),
    )


def _kind(point: Point, dropped: set[str]) -> str:
    if point.role is not None:
        return point.role
    if point.on_front:
        return "front"
    return "dropped" if point.config_id in dropped else "kept"


def _label(point: Point, report: Report) -> str:
    role = f", {point.role}" if point.role else ", on the front" if point.on_front else ""
    figures = f"{report.objective.maximize} {point.quality:.4f}, p95 {significant(point.latency)} ms"
    return f"{point.config_id}{role}: {figures}"


def _note(points: int, left_out: int, queries: int) -> str:
    parts = [f"{points} configurations as the grid measured them"]
    if queries:
        parts.append(f"the front among those asked all {queries} queries")
    if left_out:
        parts.append(f"{left_out} not measured")
    return "; ".join(parts)


def _latency_axis(values: Sequence[float]) -> tuple[Scale, tuple[Tick, ...], str]:
    low, high = min(values), max(values)
    if low > 0 and high / low > LOG_FROM:
        first, last = math.log10(low / 1.15), math.log10(high * 1.15)
        scale = _linear(first, last, LEFT, WIDTH - RIGHT)
        ticks = _one_two_five(low / 1.15, high * 1.15)
        placed = tuple(Tick(scale(math.log10(v)), significant(v, 1)) for v in ticks)
        return lambda value: scale(math.log10(value)), placed, " (logarithmic)"
    margin = (high - low) * 0.06 or max(abs(high) * 0.1, 0.1)
    first, last = max(0.0, low - margin), high + margin
    scale = _linear(first, last, LEFT, WIDTH - RIGHT)
    return scale, _nice(first, last, scale), ""


def _quality_axis(values: Sequence[float]) -> tuple[Scale, tuple[Tick, ...]]:
    low, high = min(values), max(values)
    margin = (high - low) * 0.08 or 0.02
    first, last = max(0.0, low - margin), min(1.0, high + margin)
    if last <= first:
        first, last = first - 0.02, last + 0.02
    scale = _linear(first, last, HEIGHT - BOTTOM, TOP)
    return scale, _nice(first, last, scale)


def _linear(first: float, last: float, start: float, end: float) -> Scale:
    return lambda value: round(start + (value - first) / (last - first) * (end - start), 1)


def _nice(first: float, last: float, scale: Scale) -> tuple[Tick, ...]:
    """About five round numbers between the ends."""
    rough = (last - first) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough)
    places = max(0, -math.floor(math.log10(step)) + (1 if step / power == 2.5 else 0))
    begin = math.ceil(first / step - 1e-9)
    numbers = [i * step for i in range(begin, begin + 12) if i * step <= last + 1e-9]
    return tuple(Tick(scale(number), f"{number:.{places}f}") for number in numbers)


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
