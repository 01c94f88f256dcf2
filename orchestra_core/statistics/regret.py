"""What forced drops may have cost: a bound on the best of them minus the leader."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
_SPREADS = np.geomspace(0.0005, 0.5, 120)
"""How far true means may lie apart (standard deviation), in the unit of scores within 0..1."""
_DRAWS = 1000
_UNSEEN = 0.25
"""One more residual of a half: no difference so far is not none at all."""


def regret_bound(
    scores: Sequence[Floats], forced: Sequence[int], leader: int, confidence: float
) -> float:
    """Upper bound on the best true mean of the `forced` rows minus that of the `leader`; at least 0.

    `scores`: of every configuration of the race its scores in the order asked, float64 (n_queries,),
    values 0..1; all were asked the same queries in the same order, some fewer of them. `forced` and
    `leader` are their indices.
    The rows' own differences alone would say little, since most were asked a few queries only; but the
    whole field tells how far apart such configurations are at all. A score is taken for the sum of the
    configuration's true mean, the query's difficulty and normal noise; true means for normal around
    the field's, with a spread of which nothing is known beforehand (uniform; Gelman 2006, "Prior
    distributions for variance parameters in hierarchical models"). Rows that scored the very same count
    once; but a forced row that tied with the leader is another one all the same. The bound is the
    `confidence` quantile of the posterior of the largest difference, drawn 1,000 times with a fixed
    seed. It is a model, whose coverage on replayed races is measured by `benchmarks/claims/race.py`;
    that it is Bayesian makes up for the leader's being chosen for its luck. Raises ValueError when
    nothing was forced, or somebody was asked nothing.
    """
    if not forced or not all(row.size for row in scores):
        raise ValueError("nothing to bound")
    units, of_row = _distinct(scores, forced, leader)
    rivals = sorted({of_row[i] for i in forced})
    means = _drawn(units)
    largest = (means[rivals] - means[of_row[leader]]).max(axis=0)
    return max(0.0, float(np.quantile(largest, confidence)))


def _distinct(
    scores: Sequence[Floats], forced: Sequence[int], leader: int
) -> tuple[list[Floats], list[int]]:
    """Rows without repetitions, those asked fewest queries first; and which of them each row is.

    What was forced out level with the leader is one for itself: a tie is no proof of a twin.
    """
    known: dict[tuple[int, bytes, bool], int] = {}
    dropped = set(forced)
    units: list[Floats] = []
    found = [0] * len(scores)
    for index in sorted(range(len(scores)), key=lambda i: scores[i].size):
        row = scores[index]
        level = index in dropped and np.array_equal(row, scores[leader])
        found[index] = known.setdefault((row.size, row.tobytes(), level), len(units))
        units += [row] if found[index] == len(units) else []
    return units, found


@dataclass(frozen=True, slots=True)
class _Groups:
    """Units by how many queries they were asked; arrays of shape (n_groups,) unless said."""

    of_unit: Integers
    """(n_units,)"""
    members: Integers
    precision: Floats
    """What the scores of one unit tell of its mean, by itself."""
    within: Floats
    """(n_units,): evidence for a unit against its group."""
    axes: Floats
    """(n_groups, n_groups - 1): directions, over groups, in which groups may differ."""
    between: Floats
    """(n_groups - 1,): evidence along each axis, and `strength` its precision."""
    strength: Floats


def _drawn(units: Sequence[Floats]) -> Floats:
    """Posterior draws of all units' true means, up to a common constant; (n_units, n_draws)."""
    field = _grouped(units)
    spreads = _likely_spreads(field)
    rng = np.random.default_rng(0)
    own = field.precision[:, None] + spreads**-2
    noise = rng.standard_normal((len(units), len(spreads)))
    noise -= _group_means(noise, field)[field.of_unit]
    inner = field.within[:, None] / own[field.of_unit] + noise / np.sqrt(own[field.of_unit])
    shared = field.strength[:, None] + spreads**-2
    along = field.between[:, None] / shared + rng.standard_normal(shared.shape) / np.sqrt(shared)
    outer = (field.axes @ along) / np.sqrt(field.members)[:, None]
    drawn: Floats = inner + outer[field.of_unit]
    return drawn


def _likely_spreads(field: _Groups) -> Floats:
    """Draws of the field's spread from its posterior, evenly through its distribution."""
    own = field.precision[:, None] + _SPREADS**-2
    shared = field.strength[:, None] + _SPREADS**-2
    squares = np.bincount(field.of_unit, weights=field.within**2)
    log = 0.5 * (squares[:, None] / own - (field.members[:, None] - 1) * np.log(own)).sum(axis=0)
    log += 0.5 * (field.between[:, None] ** 2 / shared - np.log(shared)).sum(axis=0)
    # The prior is uniform: on a geometric grid each value stands for a width like its own.
    log += (2 - len(field.of_unit)) * np.log(_SPREADS)
    shares = np.cumsum(np.exp(log - log.max()))
    places = (np.arange(_DRAWS) + 0.5) / _DRAWS * shares[-1]
    spreads: Floats = np.random.default_rng(1).permutation(_SPREADS[np.searchsorted(shares, places)])
    return spreads


def _grouped(units: Sequence[Floats]) -> _Groups:
    """The evidence in a basis in which it falls apart: units within groups, and groups.

    Whoever is still in the race shares the queries' difficulties, which are free; so only contrasts
    among them tell anything.
    """
    sizes = np.array([row.size for row in units])
    asked, of_unit, members = np.unique(sizes, return_inverse=True, return_counts=True)
    blocks = np.diff(asked, prepend=0)
    evidence, variance = _evidence(units, asked)
    evidence, precision = evidence / variance, asked / variance
    reduced = np.diag(precision)
    for group, block in enumerate(blocks):
        present = np.where(np.arange(len(asked)) >= group, np.sqrt(members), 0.0)
        reduced -= block / variance / (present @ present) * np.outer(present, present)
    strength, axes = np.linalg.eigh(reduced)
    strength, axes = strength[1:], axes[:, 1:]  # the first is the constant, of which nothing is known
    summed = np.bincount(of_unit, weights=evidence)
    return _Groups(
        of_unit=of_unit,
        members=members,
        precision=precision,
        within=evidence - (summed / members)[of_unit],
        axes=axes,
        between=axes.T @ (summed / np.sqrt(members)),
        strength=strength,
    )


def _evidence(units: Sequence[Floats], asked: Integers) -> tuple[Floats, float]:
    """Each unit's scores less the queries' means, summed; and the variance of the noise."""
    total, squares, freedom, start = np.zeros(len(units)), _UNSEEN, 1, 0
    for end in asked:
        first = next(i for i, row in enumerate(units) if row.size >= end)
        block = np.stack([row[start:end] for row in units[first:]])
        residual = block - block.mean(axis=0)
        total[first:] += residual.sum(axis=1)
        squares += float(((residual - residual.mean(axis=1, keepdims=True)) ** 2).sum())
        freedom += (len(block) - 1) * (block.shape[1] - 1)
        start = int(end)
    return total, squares / freedom


def _group_means(noise: Floats, field: _Groups) -> Floats:
    sums = np.zeros((len(field.members), noise.shape[1]))
    np.add.at(sums, field.of_unit, noise)
    means: Floats = sums / field.members[:, None]
    return means
