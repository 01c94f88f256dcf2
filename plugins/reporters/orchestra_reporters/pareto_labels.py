"""Which points of `pareto.png` get a name, and drawing the names where they fit."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.transforms import IdentityTransform

from orchestra_core.telling.units import figure, with_unit
from orchestra_reporters.canvas import BLUE, INK, SOFT, VERMILION, shortened, write
from orchestra_reporters.labels import Clutter, Floats, nearer_to_another, nearest, place
from orchestra_reporters.pareto_marks import step_line

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.text import Text

    from orchestra_core.telling.points import Point, Scatter

LABEL, LEADER = "label", "leader"
_RING = np.array([(0, 0), *((np.cos(a), np.sin(a)) for a in np.arange(8) * np.pi / 4)])
_FEW = 12
"""Up to so many points, each gets its name."""
_SPARSE = 60
_FRONT_NAMES = 9
_LENGTH = 48
_SEPARATE = 22.0
"""Front points closer together than this (in hundredths of an inch) share one name."""


def add_labels(axes: Axes, shown: Scatter) -> int:
    """Name the points that matter; returns how many names found room."""
    dot = axes.figure.dpi / 100
    named = chosen(shown, _pixels(axes, shown.points), dot)
    texts = [_text(axes, point) for point in named]
    extents = [text.get_window_extent() for text in texts]
    sizes = np.array([(extent.width, extent.height) for extent in extents]).reshape(-1, 2)
    anchors = _pixels(axes, named)
    area = axes.get_window_extent()
    bounds = (area.x0, area.y0, area.x1, area.y1)
    marks = _pixels(axes, shown.points)
    boxes = place(anchors, sizes, bounds, _clutter(axes, shown, dot), dot)
    for point, text, extent, anchor, box in zip(named, texts, extents, anchors, boxes, strict=True):
        if box is None:
            text.remove()
            continue
        text.set_position((box[0] - extent.x0, box[1] - extent.y0))
        _leader(axes, anchor, box, _shortest(point, anchor, box, marks) * dot)
    return sum(box is not None for box in boxes)


def chosen(shown: Scatter, pixels: Floats, dot: float) -> list[Point]:
    """The points to name, the most important first: roles, then the front spread out, then others.

    `pixels` holds the positions of `shown.points`, shape (n, 2).
    """
    roles = [shown.with_role("winner"), shown.with_role("baseline"), shown.with_role("challenger")]
    first = [point for point in roles if point is not None]
    where = dict(zip((point.config_id for point in shown.points), pixels, strict=True))
    named = _spread(first, shown.front, where, _SEPARATE * dot)
    others = [point for point in shown.points if point not in named]
    return [*named, *others] if len(shown.points) <= _FEW else named


def _spread(
    first: list[Point], front: list[Point], where: dict[str, Floats], apart: float
) -> list[Point]:
    """`first`, then front points, each the farthest from those already taken."""
    named, left = list(first), [point for point in front if point not in first]
    while left and len(named) < len(first) + _FRONT_NAMES:
        distances = [_distance(point, named, where) for point in left]
        farthest = int(np.argmax(distances))
        if distances[farthest] < apart:
            break
        named.append(left.pop(farthest))
    return named


def _distance(point: Point, named: Sequence[Point], where: dict[str, Floats]) -> float:
    here = where[point.config_id]
    return min((float(np.hypot(*(where[n.config_id] - here))) for n in named), default=float("inf"))


def _pixels(axes: Axes, points: Sequence[Point]) -> Floats:
    data = np.array([(point.latency, point.quality) for point in points], dtype=float).reshape(-1, 2)
    return np.asarray(axes.transData.transform(data), dtype=float)


def _clutter(axes: Axes, shown: Scatter, dot: float) -> Clutter:
    """Marks weigh by what they tell, all over their size; the front's line weighs a little."""
    centres = _pixels(axes, shown.points)
    special = np.array([bool(point.role or point.on_front) for point in shown.points])
    clutter = Clutter(centres, centres[special], np.empty((0, 2)), np.empty(0))
    plain = 3.5 if len(shown.points) <= _SPARSE else 0.0
    for point, centre in zip(shown.points, centres, strict=True):
        weight, radius = (4.0, 10.0) if point.role else (2.0, 4.5) if point.on_front else (1.0, plain)
        clutter.add(centre + _RING * radius * dot if radius else centre[None], weight)
    corners = np.array(step_line(axes, shown.front)).T
    for start, end in pairwise(np.asarray(axes.transData.transform(corners), dtype=float)):
        steps = np.arange(0, 1, 8 * dot / max(8 * dot, float(np.hypot(*(end - start)))))
        clutter.add(start + (end - start) * steps[:, None], 0.8)
    return clutter


def _text(axes: Axes, point: Point) -> Text:
    text, size = shortened(point.config_id, _LENGTH), 8.0
    colour = BLUE if point.on_front else SOFT
    if point.role:
        figures = f"{figure(point.quality, '')} at {with_unit(point.latency, 'ms')}"
        where = "" if point.raced else " (other queries)"
        text, size = f"{point.role}{where}: {figures}\n{text}", 8.5
        colour = VERMILION if point.role == "challenger" else INK
    halo = withStroke(linewidth=2.6, foreground="white")
    style = {"bold": point.role == "winner", "color": colour, "path_effects": [halo], "gid": LABEL}
    style |= {"transform": IdentityTransform(), "va": "bottom", "zorder": 8, "linespacing": 1.25}
    return write(axes, 0, 0, text, size, **style)


def _shortest(point: Point, anchor: Floats, box: Floats, marks: Floats) -> float:
    """From which length on (hundredths of an inch) a leader is drawn; sooner where it is needed."""
    if point.role:
        return 19.0
    return 4.0 if nearer_to_another(box[None], anchor, marks)[0] else 10.0


def _leader(axes: Axes, anchor: Floats, box: Floats, shortest: float) -> None:
    end = nearest(box[None], anchor)[0]
    if np.hypot(*(end - anchor)) > shortest:
        axes.add_line(
            Line2D(*np.array([anchor, end]).T, transform=IdentityTransform(), color=SOFT,
                   linewidth=0.7, zorder=4, gid=LEADER)
        )  # fmt: skip
