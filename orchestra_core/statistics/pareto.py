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
