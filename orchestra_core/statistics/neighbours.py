"""Configurations are not strangers: what their neighbours in the space say of two that scored alike.

Two configurations that scored the very same on a few queries may be twins (`top_k` 20 and 30 where
only ten are looked at) or may have tied by chance. Their own scores cannot tell. But other pairs that
differ in just the same parameters can: where most of those never differ either, the parameter does
nothing; where most differ, the tie is luck. Used by `racing`; pure functions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
_Number = TypeVar("_Number", bound=np.generic)
_CELLS = 2_000_000
"""Entries of a matrix of pairs that are worked on at a time."""
_ROUNDS = 30
_AT_MOST = 0.99
_UNSEEN = 0.25
"""One more query on which a pair would differ by a half: no difference so far is not none at all."""


def coded(parameters: Sequence[Mapping[str, object]]) -> Integers:
    """Parameters as int64 of shape (n_configurations, n_parameters): ranks, words after numbers.

    A parameter that a configuration lacks, because it has no effect there, is 0.
    """
    names = sorted({name for one in parameters for name in one})
    columns = [_ranks([one.get(name) for one in parameters]) for name in names]
    return np.array(columns, dtype=np.int64).reshape(len(names), len(parameters)).T


def equivalence(scores: Floats, finer: Floats, codes: Integers, epsilon: float) -> Floats:
    """Probability that each pair's true means lie within `epsilon`; float64 (n, n), diagonal 1.

    `scores`, `finer`: the objective and a finer metric, float64 of shape (n, n_queries), values 0..1;
    only the objective's means count, but whoever differs in either is no twin. `codes`: int64 of shape
    (n, n_parameters), see `coded`. Pairs that differ in the same parameters by the same ranks form a
    family. Of each family an unknown share are twins that never differ; the others differ on a query
    with an unknown rate. Share and rate are the family's maximum-likelihood estimates under this
    zero-inflated binomial model (Lambert 1992, Technometrics 34), found by EM: empirical Bayes.
    Queries on which everybody scored alike tell nothing and are left out. A pair that has differed is
    judged by the normal approximation to its own mean difference, with its own variance or its
    family's, whichever is larger. This is a model, not a guarantee: a pair of twins never differs
    again only if the family is what it seems. Raises ValueError when the shapes differ.
    """
    if len(scores) != len(codes) or scores.shape != finer.shape:
        raise ValueError(f"shapes differ: {scores.shape}, {finer.shape} and {codes.shape}")
    both = scores + 1j * finer
    telling = both[:, (both != both[:1]).any(axis=0)]
    if telling.shape[1] == 0:
        return np.eye(len(scores))
    family, differing = _families(codes), _differing(telling)
    found = _within(scores, family, epsilon)
    np.copyto(found, twin_probability(differing, family, telling.shape[1]), where=differing == 0)
    return _symmetric(found, len(scores))


def twin_probability(differing: Integers | NDArray[np.int32], family: Integers, queries: int) -> Floats:
    """Chance that pairs which did not differ on any of `queries` never will; float64 (n_pairs,).

    `differing`: on how many queries each pair differed; `family`: numbers from 0; both int64
    (n_pairs,).
    """
    shares = _twin_shares(differing, family, queries)
    return np.where(differing == 0, shares[family], 0.0)


@dataclass(frozen=True, slots=True)
class _Family:
    """Per family, arrays of shape (n_families,): pairs, pairs that never differed, differing
    queries."""

    pairs: Floats
    alike: Floats
    differing: Floats


def _twin_shares(differing: Integers | NDArray[np.int32], family: Integers, queries: int) -> Floats:
    size = int(family.max(initial=-1)) + 1
    known = _Family(
        np.bincount(family, minlength=size).astype(float),
        np.bincount(family[differing == 0], minlength=size).astype(float),
        np.bincount(family, weights=differing, minlength=size).astype(float),
    )
    share, rate = np.full(size, 0.5), np.full(size, 0.3)
    for _ in range(_ROUNDS):
        twins = known.alike * _posterior(share, rate, queries)
        # Half a pair and half a differing query of prior: with few pairs nothing is ever sure.
        share = (twins + 0.5) / (known.pairs + 1)
        rate = np.minimum(_AT_MOST, (known.differing + 0.5) / (queries * (known.pairs - twins) + 2))
    return _posterior(share, rate, queries)


def _posterior(share: Floats, rate: Floats, queries: int) -> Floats:
    chance = (1 - share) * (1 - rate) ** queries
    posterior: Floats = share / (share + chance)
    return posterior


def _within(scores: Floats, family: Integers, epsilon: float) -> Floats:
    """Chance that a pair's mean difference lies within ±epsilon, by its normal approximation."""
    queries = scores.shape[1]
    if queries < 2 or epsilon == 0:
        return np.zeros(len(family))
    means, squares = scores.mean(axis=1), (scores**2).sum(axis=1)

    def variance(rows: slice) -> Floats:
        difference = means[rows, None] - means
        total = squares[rows, None] + squares - 2 * (scores[rows] @ scores.T) - queries * difference**2
        own: Floats = (np.maximum(total, 0.0) + _UNSEEN) / (queries - 1)
        return own

    own = _pairs(len(scores), variance)
    difference = _pairs(len(scores), lambda rows: means[rows, None] - means)
    pooled = np.bincount(family, weights=own) / np.maximum(1, np.bincount(family))
    for start in range(0, len(own), _CELLS):
        part = slice(start, start + _CELLS)
        error = np.sqrt(np.maximum(own[part], pooled[family[part]]) / queries) + 1e-12
        above, below = (epsilon - difference[part]) / error, (-epsilon - difference[part]) / error
        own[part] = ndtr(above) - ndtr(below)
    return own


def _differing(scores: NDArray[np.complex128]) -> NDArray[np.int32]:
    """On how many queries the rows of each pair differ; shape (n_pairs,)."""
    ranks = np.stack([np.unique(column, return_inverse=True)[1] for column in scores.T])
    columns = ranks.astype(np.int16 if len(scores) < 2**15 else np.int64)

    def counted(rows: slice) -> NDArray[np.int32]:
        counts = np.zeros((len(columns[0, rows]), len(scores)), dtype=np.int32)
        for column in columns:
            counts += column[rows, None] != column
        return counts

    return _pairs(len(scores), counted)


def _families(codes: Integers) -> Integers:
    """A number for the parameters in which each pair differs, and by how much; shape (n_pairs,), from
    0."""
    count = len(codes)
    families = np.zeros(count * (count - 1) // 2, dtype=np.int64)
    for column in codes.T:
        distance = _pairs(count, partial(_apart, column))
        families = _renumbered((int(distance.max(initial=0)) + 1) * families + distance)
    return families


def _apart(ranks: Integers, rows: slice) -> Integers:
    distance: Integers = np.abs(ranks[rows, None] - ranks)
    return distance


def _pairs(count: int, of_rows: Callable[[slice], NDArray[_Number]]) -> NDArray[_Number]:
    """What `of_rows` says of some rows and all, shape (n_rows, n), for each pair once: (n_pairs,).

    Pairs are ordered as by `numpy.triu_indices`. Some rows at a time, since thousands of configurations
    make ten millions of pairs.
    """
    return np.concatenate([of_rows(rows)[upper] for rows, upper in _blocks(count)])


def _symmetric(values: Floats, count: int) -> Floats:
    """Values of pairs as a matrix with a diagonal of 1."""
    result, start = np.eye(count), 0
    for rows, upper in _blocks(count):
        block, end = np.zeros(upper.shape), start + int(upper.sum())
        block[upper] = values[start:end]
        result[rows] += block
        result[:, rows] += block.T
        start = end
    return result


def _blocks(count: int) -> Iterator[tuple[slice, NDArray[np.bool_]]]:
    """Rows, some at a time, and which of their entries are pairs not met before; bool (n_rows, n)."""
    places = np.arange(count)
    size = max(1, _CELLS // max(1, count))
    for start in range(0, count, size):
        yield slice(start, start + size), places > places[start : start + size, None]


def _renumbered(numbers: Integers) -> Integers:
    """The same numbers without gaps, so that a hundred parameters overflow nothing."""
    present = np.bincount(numbers) > 0
    renumbered: Integers = (np.cumsum(present) - 1)[numbers]
    return renumbered


def _ranks(values: Sequence[object]) -> list[int]:
    present = sorted({_key(v) for v in values if v is not None})
    rank = {key: index for index, key in enumerate(present, 1)}
    return [0 if v is None else rank[_key(v)] for v in values]


def _key(value: object) -> tuple[bool, float, str]:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return (not number, float(str(value)) if number else 0.0, "" if number else str(value))
