"""What one side of the search finds for one query."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Documents = NDArray[np.int64]
"""Positions of documents in the corpus, counted from 0 in the order of their ids."""
Scores = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Hits:
    """Documents best first, without repeats; equal scores stand in document order."""

    documents: Documents
    scores: Scores


NO_HITS = Hits(np.empty(0, dtype=np.int64), np.empty(0, dtype=np.float64))


def best_hits(documents: Documents, scores: Scores, depth: int) -> Hits:
    """The `depth` best of documents given in ascending order; arrays of shape (n,)."""
    if len(documents) > depth:
        threshold = np.partition(scores, len(scores) - depth)[len(scores) - depth]
        keep = scores >= threshold  # ties at the threshold are all kept, then cut in document order
        documents, scores = documents[keep], scores[keep]
    order = np.argsort(-scores, kind="stable")[:depth]
    return Hits(documents[order], scores[order])
