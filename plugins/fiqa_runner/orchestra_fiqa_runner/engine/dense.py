"""The dense side: an HNSW graph over chunk vectors, by usearch, and exact cosines for candidates.

Cosines are taken pair by pair (`vecdot`), not as a matrix product: BLAS may sum a product of another
shape in another order, and then a query in a block would not rank exactly like the query alone. It
also keeps BLAS from starting threads, whose time a request would not be charged for.
"""

from __future__ import annotations

from functools import partial
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np
from usearch.index import Index

from orchestra_fiqa_runner.engine.embedding import DIMENSIONS
from orchestra_fiqa_runner.engine.fusion import NOTHING_FOUND, Found
from orchestra_fiqa_runner.engine.hits import Documents, Scores, best_hits

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from orchestra_fiqa_runner.engine.corpus import Chunks
    from orchestra_fiqa_runner.engine.embedding import Vectors

_GRAPH = "graph.usearch"
_VECTORS = "vectors.npy"
_STARTS = "starts.npy"
_SAMPLE = 1024


def build_dense(
    folder: Path, vectors: Vectors, chunks: Chunks, connectivity: int, expansion_add: int
) -> None:
    """Write the graph of the chunks' `vectors` (n, 256) into `folder`.

    One thread and a fixed order, so that the same chunks always give the same graph.
    """
    graph = Index(
        ndim=DIMENSIONS,
        metric="cos",
        dtype="f32",
        connectivity=connectivity,
        expansion_add=expansion_add,
    )
    try:
        graph.add(np.arange(len(vectors), dtype=np.uint64), vectors, threads=1)
    except RuntimeError as error:
        if "terminated" in str(error):  # usearch's word for a Ctrl-C while it builds
            raise KeyboardInterrupt from error
        raise
    graph.save(str(folder / _GRAPH))
    np.save(folder / _VECTORS, vectors, allow_pickle=False)
    np.save(folder / _STARTS, chunks.starts, allow_pickle=False)


class DenseVectors:
    """The chunk vectors of one collection. Read-only, so threads may share it."""

    def __init__(self, folder: Path) -> None:
        """Map what `build_dense` wrote."""
        self.folder = folder
        # A plain view of the mapped file: np.memmap itself is slow to index.
        self._vectors: Vectors = np.asarray(
            np.load(folder / _VECTORS, mmap_mode="r", allow_pickle=False)
        )
        self._starts: Documents = np.load(folder / _STARTS, allow_pickle=False)
        self._ends = np.append(self._starts[1:], len(self._vectors))
        spread = np.linspace(0, len(self._vectors) - 1, num=min(_SAMPLE, len(self._vectors)))
        self._sample = np.asarray(self._vectors[spread.astype(np.int64)])

    def cosines(self, vector: NDArray[np.float32], documents: Documents) -> Scores:
        """Cosine of `vector` (256,) and each document's nearest chunk, shape (len(documents),)."""
        if not len(documents):
            return np.empty(0)
        lengths = self._ends[documents] - self._starts[documents]
        firsts = np.cumsum(lengths) - lengths
        rows = np.repeat(self._starts[documents] - firsts, lengths) + np.arange(lengths.sum())
        return np.maximum.reduceat(np.vecdot(self._vectors[rows], vector), firsts).astype(np.float64)

    def floor(self, vector: NDArray[np.float32]) -> float:
        """The lowest cosine of `vector` among 1,024 chunks spread evenly over the collection."""
        return float(np.vecdot(self._sample, vector).min())

    def owners(self, chunks: NDArray[np.int64]) -> Documents:
        """The documents of chunks, ascending and without repeats."""
        return np.unique(np.searchsorted(self._starts, chunks, side="right") - 1)


class DenseIndex:
    """One collection's graph, opened for one `ef_search`.

    usearch keeps `expansion_search` and its scratch memory in the index object, so each value has a
    view of its own over the same mapped file, and a view answers one search at a time.
    """

    def __init__(self, vectors: DenseVectors, ef_search: int) -> None:
        """Map the graph that lies beside `vectors`."""
        self.vectors = vectors
        self._graph = Index(ndim=DIMENSIONS, metric="cos", dtype="f32", expansion_search=ef_search)
        self._graph.view(str(vectors.folder / _GRAPH))
        self._ef_search = ef_search
        self._lock = Lock()

    def find(self, vector: NDArray[np.float32], depth: int) -> Found:
        """The documents of the nearest chunks to `vector` (256,); none for a vector of zeros.

        At most `ef_search` chunks: asking usearch for more would silently widen its search.
        """
        if not vector.any():
            return NOTHING_FOUND
        with self._lock:
            found = self._graph.search(vector, min(depth, self._ef_search), threads=1)
        documents = self.vectors.owners(found.keys.astype(np.int64))
        hits = best_hits(documents, self.vectors.cosines(vector, documents), depth)
        return Found(hits, partial(self.vectors.cosines, vector), self.vectors.floor(vector))

    def distances_computed(self, vector: NDArray[np.float32]) -> int:
        """How many chunks a search for `vector` is compared with: the work that `ef_search` buys."""
        with self._lock:
            return int(self._graph.search(vector, 1, threads=1).computed_distances)
