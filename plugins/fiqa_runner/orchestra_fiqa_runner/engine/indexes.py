"""Every open index of a run, opened when first needed, built when never built before."""

from __future__ import annotations

from threading import RLock
from typing import TYPE_CHECKING, Any, TypeVar, cast

import numpy as np

from orchestra_fiqa_runner.engine import recipe
from orchestra_fiqa_runner.engine.chunking import Chunking
from orchestra_fiqa_runner.engine.corpus import Chunks, Corpus, cut_corpus
from orchestra_fiqa_runner.engine.store import stored_folder

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Mapping
    from pathlib import Path

    from orchestra_fiqa_runner.engine.dense import DenseIndex, DenseVectors
    from orchestra_fiqa_runner.engine.embedding import Encoder, Vectors
    from orchestra_fiqa_runner.engine.lexical import LexicalIndex

T = TypeVar("T")


class Indexes:
    """Indexes of one corpus by collection. Threads may share it; libraries load with first use."""

    def __init__(
        self,
        corpus: Corpus,
        collections: Mapping[str, Chunking],
        folder: Path,
        connectivity: int,
        expansion_add: int,
    ) -> None:
        self.corpus = corpus
        self.collections = collections
        self._folder = folder
        self._build = {"connectivity": connectivity, "expansion_add": expansion_add}
        self._hashes = {name: self._hash(chunking) for name, chunking in collections.items()}
        self._open: dict[Hashable, Any] = {}
        self._lock = RLock()

    def encoder(self) -> Encoder:
        """What turns texts into vectors."""
        from orchestra_fiqa_runner.engine.embedding import load_encoder

        return load_encoder()

    def lexical(self, collection: str, k1: float, b: float) -> LexicalIndex:
        """BM25 over a collection. Raises StorageError when it must be written and cannot."""
        from orchestra_fiqa_runner.engine.lexical import LexicalIndex, build_lexical

        def build(folder: Path) -> None:
            chunks = self._chunks(collection)
            build_lexical(folder, chunks.texts, chunks.starts, k1, b)

        name = f"{self._stem(collection)}-bm25-{k1!r}-{b!r}"
        return self._once(
            ("lexical", collection, k1, b), lambda: LexicalIndex(self._stored(name, build))
        )

    def dense(self, collection: str, ef_search: int) -> DenseIndex:
        """The HNSW graph over a collection, for one `ef_search`. Raises StorageError likewise."""
        from orchestra_fiqa_runner.engine.dense import DenseIndex

        vectors = self._dense_vectors(collection)
        return self._once(("dense", collection, ef_search), lambda: DenseIndex(vectors, ef_search))

    def document_vectors(self) -> Vectors:
        """One vector per whole document, for diversity: shape (n_documents, 256)."""

        def build(folder: Path) -> None:
            vectors = self.encoder().embed(self.corpus.texts)
            np.save(folder / "vectors.npy", vectors, allow_pickle=False)

        def load() -> Vectors:
            name = f"{self._hash(Chunking('para'))[:20]}-documents"
            return cast(
                "Vectors", np.load(self._stored(name, build) / "vectors.npy", allow_pickle=False)
            )

        return self._once(("documents",), load)

    def content_hashes(self) -> dict[str, str]:
        """Collection name → content hash of its indexes."""
        return dict(self._hashes)

    def forget_chunks(self) -> None:
        """Let go of the chunk texts that building needed."""
        with self._lock:
            for key in [key for key in self._open if isinstance(key, tuple) and key[0] == "chunks"]:
                del self._open[key]

    def close(self) -> None:
        """Let go of every open index."""
        with self._lock:
            self._open.clear()

    def _dense_vectors(self, collection: str) -> DenseVectors:
        from orchestra_fiqa_runner.engine.dense import DenseVectors, build_dense

        def build(folder: Path) -> None:
            chunks = self._chunks(collection)
            build_dense(folder, self.encoder().embed(chunks.texts), chunks, **self._build)

        name = f"{self._stem(collection)}-hnsw"
        return self._once(("vectors", collection), lambda: DenseVectors(self._stored(name, build)))

    def _chunks(self, collection: str) -> Chunks:
        chunking = self.collections[collection]
        return self._once(
            ("chunks", collection),
            lambda: cut_corpus(self.corpus, chunking, lambda text: self.encoder().token_offsets(text)),
        )

    def _once(self, key: Hashable, make: Callable[[], T]) -> T:
        with self._lock:
            if key not in self._open:
                self._open[key] = make()
            return cast("T", self._open[key])

    def _stored(self, name: str, build: Callable[[Path], None]) -> Path:
        return stored_folder(self._folder, name, build)

    def _hash(self, chunking: Chunking) -> str:
        return recipe.collection_hash(self.corpus, chunking, self._build)

    def _stem(self, collection: str) -> str:
        return self._hashes[collection][:20]
