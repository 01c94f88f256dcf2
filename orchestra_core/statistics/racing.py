"""One step of the race: who is beaten beyond doubt, and who must go because the budget says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RaceStep:
    """Row indices: survivors best first, and the two kinds of drop."""

    survivors: tuple[int, ...]
    certain: tuple[int, ...]
    forced: tuple[int, ...]


def beaten_beyond_doubt(scores: Matrix, error: float) -> list[int]:
    """Rows whose mean lies below the leader's beyond doubt.

    `scores`: float64 of shape (n_configurations, n_queries), values 0..1, columns are queries.
    `error`: chance per call of naming any row that is in truth the best. Each paired difference is
    tested with the empirical Bernstein bound (Maurer & Pontil 2009, theorem 4), which holds for every
    distribution on [-1, 1]; the error is shared over the n-1 comparisons.
    """
    rows, n = scores.shape
    if rows < 2 or n < 2:
        return []
    leader = int(scores.mean(axis=1).argmax())
    difference = scores[leader] - scores
    log_term = np.log(2 * (rows - 1) / error)
    variance = difference.var(axis=1, ddof=1)
    # The bound is stated for [0, 1]; differences span a range of 2, which scales its second term.
    bound = np.sqrt(2 * variance * log_term / n) + 2 * 7 * log_term / (3 * (n - 1))
    return [int(i) for i in np.flatnonzero(difference.mean(axis=1) > bound)]


def race_step(scores: Matrix, finer: Matrix, error: float, keep_at_most: int | None) -> RaceStep:
    """Drop what is beaten; then, where `keep_at_most` is less than what is left, the weaker part.

    `scores`, `finer`: the objective and a finer metric, both float64 (n_configurations, n_queries).
    Only the objective proves anything; the finer metric orders what the objective ties. Rows that are
    alike in both give no evidence against each other: one of them stays before any second copy does.
    Rows come in plan order, which breaks the last ties. Raises ValueError when the shapes differ.
    """
    if scores.shape != finer.shape:
        raise ValueError(f"shapes differ: {scores.shape} and {finer.shape}")
    certain = set(beaten_beyond_doubt(scores, error))
    alive = [i for i in range(len(scores)) if i not in certain]
    means, finer_means = scores.mean(axis=1), finer.mean(axis=1)
    by_mean = sorted(alive, key=lambda i: (-means[i], -finer_means[i], i))
    ordered = _distinct_first(np.hstack([scores, finer]), by_mean)
    kept = ordered if keep_at_most is None else ordered[: max(1, keep_at_most)]
    survivors = sorted(kept, key=by_mean.index)
    forced = tuple(i for i in alive if i not in set(kept))
    return RaceStep(tuple(survivors), tuple(sorted(certain)), forced)


def _distinct_first(rows: Matrix, ordered: Sequence[int]) -> list[int]:
    seen: set[bytes] = set()
    first: list[int] = []
    copies: list[int] = []
    for index in ordered:
        key = rows[index].tobytes()
        (copies if key in seen else first).append(index)
        seen.add(key)
    return first + copies
