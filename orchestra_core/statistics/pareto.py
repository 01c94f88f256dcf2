"""The Pareto front of quality (more is better) against latency or cost (less is better)."""

from __future__ import annotations

from collections.abc import Sequence


def front(points: Sequence[tuple[float, float]]) -> list[int]:
    """Indices of the points that no other dominates, by rising second coordinate.

    `points`: (quality, latency) pairs. Of several equal points the first stands for all.
    """
    order = sorted(range(len(points)), key=lambda i: (points[i][1], -points[i][0], i))
    found: list[int] = []
    best = float("-inf")
    for index in order:
        if points[index][0] > best:
            best = points[index][0]
            found.append(index)
    return found
