"""One step of the race: who is beaten beyond doubt, and who must go because the budget says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
_BETS = np.array([0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.65, 0.8])
"""Shares of its wealth that the bettor stakes; below 1, since a difference may be -1."""


@dataclass(frozen=True, slots=True)
class RaceStep:
    """Row indices: survivors best first, and the two kinds of drop."""

    survivors: tuple[int, ...]
    certain: tuple[int, ...]
    forced: tuple[int, ...]


def beaten_beyond_doubt(
    scores: Matrix, delta: float, field: int, feasible: Sequence[bool] | None = None
) -> list[int]:
    """Rows whose mean lies below the leader's beyond doubt; the leader is the best feasible row.

    `scores`: float64 of shape (n_configurations, n_queries), values 0..1, columns are queries.
    `delta`: chance that the race ever names the true best, whenever and however often it is asked;
    `field`: configurations that entered the race, over whose pairs the chance is shared.
    Against each row, the leader bets on their paired difference; a row is beaten when the bettor's
    wealth exceeds (field - 1) / delta. Wealth is a mixture over fixed bets, a nonnegative martingale
    when the row is no worse, so Ville's inequality bounds it at all times at once (Waudby-Smith &
    Ramdas 2024, "Estimating means of bounded random variables by betting").
    """
    if len(scores) < 2:
        return []
    means = scores.mean(axis=1)
    leader = int(means.argmax() if feasible is None else np.where(feasible, means, -np.inf).argmax())
    wealth = log_wealth(scores[leader] - scores)
    return [int(i) for i in np.flatnonzero(wealth > np.log(max(1, field - 1) / delta))]


def log_wealth(differences: Matrix) -> NDArray[np.float64]:
    """Log wealth of betting that a mean is above zero, from 1 at the start.

    `differences`: float64 of shape (n_rows, n_queries), values -1..1. Returns float64 (n_rows,).
    """
    per_bet = np.stack([np.log1p(bet * differences).sum(axis=1) for bet in _BETS])
    top = per_bet.max(axis=0)
    mean: NDArray[np.float64] = top + np.log(np.exp(per_bet - top).mean(axis=0))
    return mean


def race_step(
    scores: Matrix,
    finer: Matrix,
    *,
    feasible: Sequence[bool],
    delta: float,
    field: int,
    keep_at_most: int | None,
) -> RaceStep:
    """Drop what is beaten; then, where `keep_at_most` is less than what is left, the weaker part.

    `scores`, `finer`: the objective and a finer metric, both float64 (n_configurations, n_queries).
    `feasible`: who keeps the objective's constraints so far. Only they can lead, and nobody else can
    beat them; the others go first where somebody must. `delta` and `field` are those of
    `beaten_beyond_doubt`. Only the objective proves anything; the finer metric orders what the
    objective ties. Rows that are alike in both give no evidence against each other: one of them stays
    before any second copy does. Rows come in plan order, which breaks the last ties. Raises ValueError
    when the shapes differ.
    """
    if scores.shape != finer.shape:
        raise ValueError(f"shapes differ: {scores.shape} and {finer.shape}")
    if not any(feasible):
        feasible = [True] * len(scores)
    certain = set(beaten_beyond_doubt(scores, delta, field, feasible))
    alive = [i for i in range(len(scores)) if i not in certain]
    means, finer_means = scores.mean(axis=1), finer.mean(axis=1)
    by_mean = sorted(alive, key=lambda i: (not feasible[i], -means[i], -finer_means[i], i))
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
