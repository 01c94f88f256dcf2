"""One step of the race: who is beaten beyond doubt, as good as another, or over the budget."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
Flags = NDArray[np.bool_]
_BETS = np.array([0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.65, 0.8])
"""Shares of its wealth that the bettor stakes; below 1, since a difference may be -1."""


LIKELY = 0.8
"""Where the budget forces drops, probable twins of a better one go before anybody else."""


@dataclass(frozen=True, slots=True)
class RaceStep:
    """Row indices: survivors best first, and the three kinds of drop."""

    survivors: tuple[int, ...]
    certain: tuple[int, ...]
    equivalent: tuple[int, ...]
    forced: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Eligible:
    """What limits of the objective allow each row; bool (n_configurations,)."""

    lead: Flags
    """Who keeps them as measured; the others come last, unless that is everybody."""
    prove: Flags
    """Who keeps them for certain; nobody is beaten by any other, since a measure may be luck."""


def beaten_beyond_doubt(
    scores: Matrix, delta: float, field: int, may_lead: Flags | None = None
) -> list[int]:
    """Rows whose mean lies below the leader's beyond doubt.

    `scores`: float64 of shape (n_configurations, n_queries), values 0..1, columns are queries.
    `delta`: chance that the race ever names the true best, whenever and however often it is asked;
    `field`: configurations that entered the race, over whose pairs the chance is shared; `may_lead`:
    bool (n_configurations,), rows that the leader may be one of; any by default, and where there are
    none nobody is beaten.
    Against each row, the leader bets on their paired difference; a row is beaten when the bettor's
    wealth exceeds (field - 1) / delta. Wealth is a mixture over fixed bets, a nonnegative martingale
    when the row is no worse, so Ville's inequality bounds it at all times at once (Waudby-Smith &
    Ramdas 2024, "Estimating means of bounded random variables by betting").
    """
    if len(scores) < 2 or (may_lead is not None and not may_lead.any()):
        return []
    means = scores.mean(axis=1)
    leader = int((means if may_lead is None else np.where(may_lead, means, -np.inf)).argmax())
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


def room(left: int, blocks: Sequence[int]) -> int:
    """How many configurations the next rung has room for; at least two.

    `left`: evaluations of the budget; `blocks`: queries of each rung to come. What is left is spread
    evenly over the rungs that two finalists can then reach. To save for those that nobody will reach
    would starve the early ones, where most of the good are lost. Whoever can stay to the end may.
    """
    reached = [rungs for rungs, block in enumerate(blocks, 1) if left // rungs >= 2 * block]
    return max(2, left // sum(blocks), left // max(reached, default=1) // blocks[0])


def race_step(
    scores: Matrix,
    finer: Matrix,
    *,
    delta: float,
    field: int,
    keep_at_most: int | None,
    alike: Matrix | None = None,
    eligible: Eligible | None = None,
    cheapest: Callable[[Sequence[int]], int] = min,
) -> RaceStep:
    """Drop what is beaten, then what is as good as another; then, to keep a budget, the weaker part.

    `scores`, `finer`: the objective and a finer metric, both float64 (n_configurations, n_queries).
    `delta` and `field` are those of `beaten_beyond_doubt`. Only the objective proves anything; the
    finer metric orders what the objective ties. `alike`: probability that two rows are equivalent,
    float64 (n, n), see `neighbours.equivalence`; None: no two are. Rows that are so with 1 - delta
    collapse to the one that `cheapest` names. Where `keep_at_most` is less than what is left, probable
    twins of a better row go first, then the weaker. `eligible`: what limits allow each row; None: there
    are none. Rows come in plan order, which breaks the last ties. Raises ValueError when the shapes
    differ.
    """
    if scores.shape != finer.shape:
        raise ValueError(f"shapes differ: {scores.shape} and {finer.shape}")
    free = np.ones(len(scores), dtype=bool)
    may_lead = free if eligible is None or not eligible.lead.any() else eligible.lead
    means, finer_means = scores.mean(axis=1), finer.mean(axis=1)
    by_mean = sorted(range(len(scores)), key=lambda i: (not may_lead[i], -means[i], -finer_means[i], i))
    return settled(
        by_mean,
        beaten_beyond_doubt(scores, delta, field, free if eligible is None else eligible.prove),
        np.eye(len(scores)) if alike is None else alike,
        sure=1 - delta,
        keep_at_most=keep_at_most,
        spared=set(),
        cheapest=cheapest,
    )


def settled(
    best_first: Sequence[int],
    certain: Sequence[int],
    alike: Matrix,
    *,
    sure: float,
    keep_at_most: int | None,
    spared: Set[int],
    cheapest: Callable[[Sequence[int]], int],
) -> RaceStep:
    """The step, once rows are ordered and what is `certain` is known; see `race_step`.

    `sure`: probability of being equivalent from which rows collapse; `spared`: rows, first among
    `best_first`, that no budget forces out.
    """
    groups, copies = _grouped([i for i in best_first if i not in set(certain)], alike, sure)
    keepers = [cheapest(group) for group in groups]
    ordered = [*keepers, *copies]
    least = max(1, sum(not spared.isdisjoint(group) for group in groups))
    kept = ordered if keep_at_most is None else ordered[: max(least, keep_at_most)]
    equivalent = {i for group in groups for i in group} - set(keepers)
    return RaceStep(
        survivors=tuple(sorted(kept, key=best_first.index)),
        certain=tuple(sorted(certain)),
        equivalent=tuple(sorted(equivalent)),
        forced=tuple(i for i in ordered if i not in set(kept)),
    )


def _grouped(ordered: Sequence[int], alike: Matrix, sure: float) -> tuple[list[list[int]], list[int]]:
    """Groups of surely equivalent rows by their best, and probable copies of a group's best."""
    groups: dict[int, list[int]] = {}
    copies: list[int] = []
    for index in ordered:
        closest = max(groups, key=lambda best: alike[index, best], default=None)
        likeness = 0.0 if closest is None else alike[index, closest]
        if closest is not None and likeness >= sure:
            groups[closest].append(index)
        elif likeness >= LIKELY:
            copies.append(index)
        else:
            groups[index] = [index]
    return list(groups.values()), copies
