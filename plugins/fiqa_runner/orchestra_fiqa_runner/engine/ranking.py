"""Ordered candidates of a block of queries, and the plain order by fused score."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from orchestra_fiqa_runner.engine.fusion import Pool
    from orchestra_fiqa_runner.engine.hits import Scores


@dataclass(frozen=True, slots=True)
class Ranked:
    """Rows of documents, best first, all arrays with one row per query."""

    documents: NDArray[np.int64]
    """Shape (queries, depth); only the first `lengths[row]` of a row count."""
    scores: Scores
    """Aligned to `documents`; never rising along a row."""
    lengths: NDArray[np.int64]


def rank_by_score(pool: Pool, fused: Scores, depth: int) -> Ranked:
    """The `depth` best of each row; equal scores in document order."""
    # Rows are in document order, so a stable sort breaks ties as promised.
    order = np.argsort(-fused, axis=1, kind="stable")[:, :depth]
    return take(pool, fused, order)


def take(pool: Pool, scores: Scores, order: NDArray[np.int64]) -> Ranked:
    """The pool's columns named by `order`, of shape (queries, depth); padding last in each row."""
    lengths = np.minimum(pool.present.sum(axis=1), order.shape[1])
    return Ranked(
        np.take_along_axis(pool.documents, order, axis=1),
        np.take_along_axis(scores, order, axis=1),
        lengths,
    )
