"""What a search needs of its indexes, wherever they are: in this process, or in a database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from orchestra_fiqa_runner.engine.chunking import Chunking
    from orchestra_fiqa_runner.engine.corpus import Corpus
    from orchestra_fiqa_runner.engine.embedding import Encoder, Vectors
    from orchestra_fiqa_runner.engine.fusion import Found


class LexicalSide(Protocol):
    """Words against words, in one collection."""

    def find(self, text: str, depth: int) -> Found:
        """The `depth` best documents that share a word with `text`."""


class DenseSide(Protocol):
    """Vectors against vectors, in one collection."""

    def find(self, vector: NDArray[np.float32], depth: int) -> Found:
        """The documents of the nearest chunks to `vector` (256,); none for a vector of zeros."""


class VectorRows(Protocol):
    """One vector per whole document, by position in the corpus."""

    def __getitem__(self, documents: NDArray[np.int64], /) -> Vectors:
        """float32 of shape (*documents.shape, 256)."""


class IndexSource(Protocol):
    """Every index of a run. Threads may share it."""

    @property
    def corpus(self) -> Corpus:
        """The documents, in the order of their ids."""

    @property
    def collections(self) -> Mapping[str, Chunking]:
        """What may be asked."""

    def encoder(self) -> Encoder:
        """What turns texts into vectors."""

    def lexical(self, collection: str, k1: float, b: float) -> LexicalSide:
        """The lexical side of a collection."""

    def dense(self, collection: str, ef_search: int) -> DenseSide:
        """The dense side of a collection, for one `ef_search`."""

    def document_vectors(self) -> VectorRows:
        """For diversity."""

    def content_hashes(self) -> dict[str, str]:
        """Collection name → content hash of its indexes."""

    def forget_chunks(self) -> None:
        """Let go of what only building needed."""

    def close(self) -> None:
        """Let go of everything."""
