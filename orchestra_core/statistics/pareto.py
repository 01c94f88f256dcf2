"""The Pareto front of quality (more is better) and latency (less is better)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby


def front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Indices of the points that no other one beats, by rising latency, then by index.

    Points are (quality, latency). One point beats another when it is at least as good in both and
    better in one; so points that are equal in both are on the front together, or not at all.
    O(n log n).
    """
    order = sorted(range(len(points)), key=lambda index: (points[index][1], -points[index][0], index))
    chosen: list[int] = []
    best = float("-inf")
    for (_, quality), group in groupby(order, key=lambda index: (points[index][1], points[index][0])):
        if quality > best:
            best = quality
            chosen.extend(group)
    return chosen


def knee(points: Sequence[tuple[float, float]]) -> int:
    """Index of the front's knee: farthest from the line between its ends, both axes scaled to 0..1.

    `points`: the (quality, latency) of a front, by rising latency, not empty. Past the knee, quality
    costs more than it did before (Das 1999, Structural Optimization 18). With fewer than three points,
    or all on the line, the one of the highest quality.
    """
    (low, fast), (high, slow) = points[0], points[-1]
    if len(points) < 3 or high == low or slow == fast:
        return len(points) - 1
    gains = [(q - low) / (high - low) - (t - fast) / (slow - fast) for q, t in points]
    return gains.index(max(gains)) if max(gains) > 0 else len(points) - 1
