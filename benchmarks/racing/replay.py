"""One race over stored results, as the grid and its rules run it, and plain successive halving."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from benchmarks.racing.fields import Field
from orchestra_core.builtin.planner import evaluations_allowed, rung_sizes
from orchestra_core.statistics.neighbours import coded, equivalence
from orchestra_core.statistics.racing import race_step, room
from orchestra_core.statistics.regret import regret_bound

EPSILON = 0.005
DELTA = 0.05
Order = NDArray[np.int64]


@dataclass(frozen=True)
class Outcome:
    """Where a race ended. `kept_best`: whether the true best, or its equal, was among the last."""

    winner: int
    evaluations: int
    kept_best: bool
    bound: float | None = None
    forced_best: float = 0.0
    """True quality of the best forced drop minus the winner's."""
    lost: float = 0.0
    """Truth of the best minus that of the best who was not dropped."""


Race = Callable[[Field, Order, float], Outcome]


def race(field: Field, order: Order, budget: float, neighbours: bool = True) -> Outcome:
    """The project's race: doubt, equivalence, budget; at most `budget` of the full grid.

    `neighbours`: whether configurations inform each other on who is equivalent.
    """
    codes = coded(field.parameters)
    count, sample = field.scores.shape
    ends = rung_sizes(sample, budget)
    allowed = evaluations_allowed(count, sample, budget, ends[0])
    alive, spent, asked = np.arange(count), 0, 0
    forced: list[int] = []
    queries = np.zeros(count, dtype=np.int64)
    for rung, end in enumerate(ends):
        block = min(end - asked, (allowed - spent) // len(alive))
        asked += block
        spent += block * len(alive)
        queries[alive] = asked
        last = rung == len(ends) - 1
        if last or asked < end or allowed - spent < 2:
            break
        keep = room(allowed - spent, [int(block) for block in np.diff(ends[rung:])])
        seen = field.scores[np.ix_(alive, order[:asked])]
        step = race_step(
            seen,
            seen,
            delta=DELTA,
            field=count,
            keep_at_most=keep if keep < len(alive) else None,
            alike=equivalence(seen, seen, codes[alive], EPSILON) if neighbours else None,
        )
        forced += [int(alive[i]) for i in step.forced]
        alive = alive[sorted(step.survivors)]
    found = _outcome(field, order, alive, asked, spent)
    return _bounded(field, order, found, forced, queries) if forced else found


def certain_only(field: Field, order: Order, sizes: Sequence[int]) -> bool:
    """Whether the true best survives doubt alone, asked after each of `sizes` queries."""
    alive = np.arange(len(field.scores))
    for size in sizes:
        seen = field.scores[np.ix_(alive, order[:size])]
        step = race_step(seen, seen, delta=DELTA, field=len(field.scores), keep_at_most=None)
        alive = alive[sorted(step.survivors)]
    return bool(field.truth[alive].max() >= field.truth.max() - 1e-12)


def halving(field: Field, order: Order, budget: float) -> Outcome:
    """Successive halving on paired queries (Karnin, Koren & Somekh 2013): equal spending a round."""
    count, sample = field.scores.shape
    rounds = int(np.ceil(np.log2(count)))
    allowed = int(budget * count * sample)
    alive, spent, asked = np.arange(count), 0, 0
    for _ in range(rounds):
        block = min(sample - asked, allowed // rounds // len(alive))
        asked += block
        spent += block * len(alive)
        means = (
            field.scores[np.ix_(alive, order[:asked])].mean(axis=1) if asked else np.zeros(len(alive))
        )
        best_first = np.argsort(-means, kind="stable")
        alive = alive[np.sort(best_first[: max(1, (len(alive) + 1) // 2)])]
    return _outcome(field, order, alive, asked, spent)


def _outcome(field: Field, order: Order, alive: Order, asked: int, spent: int) -> Outcome:
    winner = int(alive[field.scores[np.ix_(alive, order[:asked])].mean(axis=1).argmax()])
    truth = field.truth
    return Outcome(
        winner=winner,
        evaluations=spent,
        kept_best=bool(truth[alive].max() >= truth.max() - 1e-12),
        lost=float(truth.max() - truth[alive].max()),
    )


def _bounded(field: Field, order: Order, found: Outcome, forced: list[int], queries: Order) -> Outcome:
    """With the bound on what forced drops cost, and what they did; `queries` asked of each row."""
    scores = [row[order[:asked]] for row, asked in zip(field.scores, queries, strict=True)]
    return replace(
        found,
        bound=regret_bound(scores, forced, found.winner, 1 - DELTA),
        forced_best=float(field.truth[forced].max() - field.truth[found.winner]),
    )
