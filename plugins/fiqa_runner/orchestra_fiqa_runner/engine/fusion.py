"""Join the two sides: candidates of both, one fused score each.

A `Pool` holds a block of queries as padded arrays of shape (queries, width), each row's documents
in ascending order. All arithmetic is element by element, so a query's figures never depend on the
other queries of its block.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from orchestra_fiqa_runner.engine.hits import NO_HITS, Documents, Hits, Scores

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Found:
    """What one side knows of one query."""

    hits: Hits
    score: Callable[[Documents], Scores]
    """Exact scores of any documents, shape (n,) like the documents."""
    floor: float
    """The score of a document that has nothing to do with the query."""


NOTHING_FOUND = Found(NO_HITS, lambda documents: np.zeros(len(documents)), 0.0)


@dataclass(frozen=True, slots=True)
class Side:
    """One side's view of a pool, both of shape (queries, width)."""

    scores: Scores
    """Scaled so that the side's floor is 0 and the query's best candidate 1."""
    ranks: Scores
    """From 1; infinite where the side did not find the document itself."""


@dataclass(frozen=True, slots=True)
class Pool:
    """The candidates of a block of queries."""

    documents: NDArray[np.int64]
    """Positions in the corpus, ascending in each row; 0 where nothing is."""
    present: NDArray[np.bool_]
    """False in the padding."""
    lexical: Side
    dense: Side


def build_pool(lexical: Sequence[Found], dense: Sequence[Found]) -> Pool:
    """The union of both sides' hits, query by query; the two sequences are aligned.

    A document that only one side found gets its true score from the other side too, instead of a
    minimum that would depend on how deep that side happened to look.
    """
    unions = [
        np.union1d(left.hits.documents, right.hits.documents)
        for left, right in zip(lexical, dense, strict=True)
    ]
    shape = (len(unions), max((len(union) for union in unions), default=0))
    documents, present = np.zeros(shape, dtype=np.int64), np.zeros(shape, dtype=np.bool_)
    for row, union in enumerate(unions):
        documents[row, : len(union)] = union
        present[row, : len(union)] = True
    return Pool(documents, present, _side(shape, unions, lexical), _side(shape, unions, dense))


def _side(shape: tuple[int, int], unions: Sequence[Documents], side: Sequence[Found]) -> Side:
    scores, ranks = np.zeros(shape), np.full(shape, np.inf)
    for row, (union, found) in enumerate(zip(unions, side, strict=True)):
        scores[row, : len(union)] = scale(found.score(union), found.floor)
        places = np.searchsorted(union, found.hits.documents)
        ranks[row, places] = np.arange(1, len(places) + 1)
    return Side(scores, ranks)


def scale(scores: Scores, floor: float) -> Scores:
    """Scores of shape (n,) with `floor` moved to 0 and the highest to 1; all 0 if none is above it."""
    height = scores.max(initial=floor) - floor
    return np.maximum(scores - floor, 0.0) / height if height > 0 else np.zeros(len(scores))


def fuse(pool: Pool, alpha: float, fusion: str, rrf_k: int) -> Scores:
    """Fused scores of shape (queries, width), minus infinity in the padding.

    `weighted`: (1 - alpha) * lexical + alpha * dense, both scaled. `rrf`: the same weights on
    1 / (rrf_k + rank) (Cormack et al. 2009); a side that did not find a document adds nothing.
    """
    if fusion == "rrf":
        left, right = 1.0 / (rrf_k + pool.lexical.ranks), 1.0 / (rrf_k + pool.dense.ranks)
    else:
        left, right = pool.lexical.scores, pool.dense.scores
    return np.where(pool.present, (1.0 - alpha) * left + alpha * right, -np.inf)
