"""Maximal marginal relevance (Carbonell and Goldstein 1998), greedy, for a block of queries.

The next document is the one with the highest

    (1 - weight) * relevance - weight * similarity to the most similar document already taken

where relevance is the fused score scaled to 0..1 over the query's candidates, and similarity the
cosine of the two documents' embeddings, negative ones counted as 0. Greedy choice has the prefix
property: the order for 30 documents begins with the order for 10.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from orchestra_fiqa_runner.engine.ranking import Ranked

if TYPE_CHECKING:
    from orchestra_fiqa_runner.engine.fusion import Pool
    from orchestra_fiqa_runner.engine.hits import Scores
    from orchestra_fiqa_runner.engine.source import VectorRows

Similarities = NDArray[np.float32]
"""float32 of shape (queries, width, width), 0..1."""


def similarities(pool: Pool, vectors: VectorRows) -> Similarities:
    """Cosines between the candidates of each query; `vectors`: (documents, 256).

    Pair by pair, for the reasons given in `dense`.
    """
    rows = vectors[pool.documents]
    alike: Similarities = np.vecdot(rows[:, :, None, :], rows[:, None, :, :])
    return np.maximum(alike, np.float32(0), out=alike)


def rank_by_marginal_relevance(
    pool: Pool, fused: Scores, alike: Similarities, weight: float, depth: int
) -> Ranked:
    """The first `depth` choices of each row; `scores` are their marginal values, never rising."""
    depth = min(depth, fused.shape[1])
    queries = np.arange(len(fused))
    relevance = np.where(np.isfinite(fused), (1.0 - weight) * _scaled(fused), -np.inf)
    penalty = np.zeros_like(relevance)
    chosen = np.zeros((len(fused), depth), dtype=np.int64)
    values = np.full((len(fused), depth), -np.inf)
    for step in range(depth):
        value = relevance - weight * penalty
        best = np.argmax(value, axis=1)  # the first of equals: document order
        chosen[:, step], values[:, step] = best, value[queries, best]
        relevance[queries, best] = -np.inf
        np.maximum(penalty, alike[queries, best], out=penalty)
    lengths = np.minimum(pool.present.sum(axis=1), depth)
    return Ranked(np.take_along_axis(pool.documents, chosen, axis=1), values, lengths)


def _scaled(fused: Scores) -> Scores:
    present = np.isfinite(fused)
    low = np.min(fused, axis=1, keepdims=True, where=present, initial=np.inf)
    high = np.max(fused, axis=1, keepdims=True, where=present, initial=-np.inf)
    span = np.where(high > low, high - np.where(present, low, 0.0), 1.0)
    return np.where(present & (high > low), (fused - low) / span, 1.0)
