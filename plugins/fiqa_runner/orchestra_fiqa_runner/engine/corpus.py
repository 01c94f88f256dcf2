"""The corpus as the indexes see it: documents in id order, and their chunks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from orchestra_fiqa_runner.engine.chunking import Chunking, Offsets, split_document

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Corpus:
    """Documents in the order of their ids, which is also how ties are broken."""

    ids: tuple[str, ...]
    texts: tuple[str, ...]
    sha256: str


def read_corpus(documents: Mapping[str, str], sha256: str) -> Corpus:
    """A dataset's corpus; its hash ignores order, so the order is fixed here."""
    ids = tuple(sorted(documents))
    return Corpus(ids, tuple(documents[document_id] for document_id in ids), sha256)


@dataclass(frozen=True, slots=True)
class Chunks:
    """All chunks of a corpus, document by document."""

    texts: Sequence[str]
    starts: NDArray[np.int64]
    """Position of each document's first chunk, shape (n_documents,)."""


def cut_corpus(corpus: Corpus, chunking: Chunking, token_offsets: Callable[[str], Offsets]) -> Chunks:
    """The corpus cut up; every document has at least one chunk."""
    pieces = [split_document(text, chunking, token_offsets) for text in corpus.texts]
    counts = np.array([len(piece) for piece in pieces], dtype=np.int64)
    return Chunks(
        texts=[text for piece in pieces for text in piece],
        starts=np.cumsum(counts) - counts,
    )
