"""Where labels go: never over each other, never outside, and over as little else as possible.

textalloc and adjustText were considered. The first leaves labels out wherever points are dense (and
prints to stdout), the second nudges without a guarantee; here overlap is impossible by construction,
and in a dense cloud a label rather covers a few dominated points than vanishes.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_RADII = (7.0, 12.0, 19.0, 28.0, 40.0, 56.0, 76.0, 100.0, 130.0, 170.0)
_SIDE = np.linspace(-1, 1, 9)
_GAP = 3.0
_STEPS = 33
"""Dots of a leader: close enough that none crosses a line of text between two of them."""
_LEADER_WEIGHT = 6.0 * 9 / _STEPS
_AMBIGUOUS, _IN_THE_WAY = 4.0, 2.0 * 9 / _STEPS
_PRICE_OF_DISTANCE = 0.03
"""One point of weight 1 covered is as bad as a leader longer by 33 dots (at 100 dots per inch)."""


@dataclass
class Clutter:
    """What labels should not cover: dots of shape (n, 2) and their weights, float64 (n,)."""

    marks: Floats
    """Where the points are, shape (n_points, 2)."""
    important: Floats
    """Those of the marks that no leader should pass by; shape (m, 2)."""
    dots: Floats
    weights: Floats

    def add(self, dots: Floats, weight: float) -> None:
        """More dots of one weight."""
        self.dots = np.vstack([self.dots, dots])
        self.weights = np.append(self.weights, np.full(len(dots), weight))


def place(
    anchors: Floats,
    sizes: Floats,
    bounds: tuple[float, float, float, float],
    clutter: Clutter,
    dot: float = 1.0,
) -> list[Floats | None]:
    """Boxes (x0, y0, x1, y1) for labels of `sizes` (n, 2) at `anchors` (n, 2), all in pixels.

    The first labels choose first. Boxes lie inside `bounds` and apart from each other; None where no
    such place is left. `dot` is the pixels per hundredth of an inch. `clutter` gains the leaders.
    """
    placed: list[Floats] = []
    answer: list[Floats | None] = []
    for anchor, size in zip(anchors, sizes, strict=True):
        boxes = _allowed(_candidates(anchor, size, bounds, dot), bounds, placed, _GAP * dot)
        box = _cheapest(boxes, anchor, placed, clutter, dot)
        answer.append(box)
        if box is not None:
            placed.append(box)
            clutter.add(_leaders(box[None], anchor)[0], _LEADER_WEIGHT)
    return answer


def nearest(boxes: Floats, anchor: Floats) -> Floats:
    """The point of each box that is closest to the anchor; shape (n, 2)."""
    return np.clip(anchor, boxes[:, :2], boxes[:, 2:])


def _candidates(
    anchor: Floats, size: Floats, bounds: tuple[float, float, float, float], dot: float
) -> Floats:
    """Boxes all around the anchor at growing distances, then boxes all over the bounds."""
    square = [(u, v) for u in _SIDE for v in _SIDE if max(abs(u), abs(v)) == 1]
    reach = np.array(_RADII)[:, None, None] * dot
    around = anchor + np.array(square)[None] * (size / 2 + reach)
    across = np.linspace(bounds[0], bounds[2], 25)
    up = np.linspace(bounds[1], bounds[3], 60)
    grid = np.stack(np.meshgrid(across, up), axis=-1)
    centres = np.vstack([around.reshape(-1, 2), grid.reshape(-1, 2)])
    return np.hstack([centres - size / 2, centres + size / 2])


def _allowed(
    boxes: Floats, bounds: tuple[float, float, float, float], placed: list[Floats], gap: float
) -> Floats:
    low, high = np.array(bounds[:2]) + gap, np.array(bounds[2:]) - gap
    boxes = boxes[np.all((boxes[:, :2] >= low) & (boxes[:, 2:] <= high), axis=1)]
    for other in placed:
        apart = (boxes[:, :2] >= other[2:] + gap) | (boxes[:, 2:] <= other[:2] - gap)
        boxes = boxes[np.any(apart, axis=1)]
    return boxes


def _cheapest(
    boxes: Floats, anchor: Floats, placed: list[Floats], clutter: Clutter, dot: float
) -> Floats | None:
    if not len(boxes):
        return None
    leaders = _leaders(boxes, anchor)
    cost = np.linalg.norm(leaders[:, -1] - anchor, axis=1) * _PRICE_OF_DISTANCE / dot
    cost += _covered(boxes, clutter.dots) @ clutter.weights
    cost += _AMBIGUOUS * nearer_to_another(boxes, anchor, clutter.marks)
    cost += _IN_THE_WAY * _passed_by(leaders, anchor, clutter.important, 9 * dot)
    for other in placed:  # a leader through another label would be read as that label's own
        cost += 50.0 * _covered(other[None], leaders.reshape(-1, 2)).reshape(len(boxes), -1).any(axis=1)
    chosen: Floats = boxes[int(np.argmin(cost))]
    return chosen


def nearer_to_another(boxes: Floats, anchor: Floats, marks: Floats) -> NDArray[np.bool_]:
    """Which boxes are closer to some other mark than to the anchor; shape (n_boxes,)."""
    own = np.linalg.norm(nearest(boxes, anchor) - anchor, axis=1)
    others = marks[np.any(marks != anchor, axis=1)]
    away = np.maximum(boxes[:, None, :2] - others, others - boxes[:, None, 2:]).clip(min=0)
    distances = np.linalg.norm(away, axis=2)
    return np.asarray(distances.min(axis=1, initial=np.inf) < own)


def _passed_by(leaders: Floats, anchor: Floats, marks: Floats, reach: float) -> NDArray[np.int64]:
    """How many dots of each leader are within `reach` of a mark that isn't its own; shape (n,)."""
    others = marks[np.any(marks != anchor, axis=1)]
    distances = np.linalg.norm(leaders[:, :, None] - others, axis=3)
    return np.asarray((distances.min(axis=2, initial=np.inf) < reach).sum(axis=1))


def _covered(boxes: Floats, dots: Floats) -> NDArray[np.bool_]:
    """Which dots lie in which boxes; shape (n_boxes, n_dots)."""
    inside = (dots[None] >= boxes[:, None, :2]) & (dots[None] <= boxes[:, None, 2:])
    return np.asarray(inside.all(axis=2))


def _leaders(boxes: Floats, anchor: Floats) -> Floats:
    """Dots on the straight line from the anchor to each box; shape (n, _STEPS, 2)."""
    steps = np.linspace(0, 1, _STEPS)[None, :, None]
    return anchor + (nearest(boxes, anchor) - anchor)[:, None] * steps
