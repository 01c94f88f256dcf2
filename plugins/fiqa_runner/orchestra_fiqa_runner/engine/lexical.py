"""The lexical side: BM25 over stemmed words, by bm25s."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import bm25s
import numpy as np
import Stemmer

from orchestra_fiqa_runner.engine.fusion import Found
from orchestra_fiqa_runner.engine.hits import Scores, best_hits

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

# bm25s switches its own logger to DEBUG when imported.
logging.getLogger("bm25s").setLevel(logging.WARNING)

_STARTS = "starts.npy"
_EMPTY = "empty.json"


def stem_texts(texts: Sequence[str]) -> list[list[str]]:
    """Stemmed words of each text, in reading order, without English stop words."""
    # A stemmer must not be shared between threads, and costs microseconds.
    stemmer = Stemmer.Stemmer("english")
    words: list[list[str]] = bm25s.tokenize(
        list(texts), stopwords="english", stemmer=stemmer, return_ids=False, show_progress=False
    )
    return words


def build_lexical(
    folder: Path, chunks: Sequence[str], starts: NDArray[np.int64], k1: float, b: float
) -> None:
    """Write the BM25 index of `chunks` into `folder`.

    `starts`: position of each document's first chunk, int64 of shape (n_documents,), ascending.
    """
    np.save(folder / _STARTS, starts, allow_pickle=False)
    words = stem_texts(chunks)
    if not any(words):
        (folder / _EMPTY).write_text(json.dumps({"chunks": len(chunks)}), encoding="utf-8")
        return
    index = bm25s.BM25(k1=k1, b=b, method="lucene")
    index.index(words, show_progress=False)
    index.save(folder, show_progress=False)


class LexicalIndex:
    """BM25 scores of one collection for one (k1, b). Read-only, so threads may share it."""

    def __init__(self, folder: Path) -> None:
        """Open what `build_lexical` wrote."""
        self._starts: NDArray[np.int64] = np.load(folder / _STARTS, allow_pickle=False)
        empty = (folder / _EMPTY).is_file()
        self._index = None if empty else bm25s.BM25.load(folder, load_corpus=False)

    def scores(self, text: str) -> Scores:
        """BM25 of every document for `text`, shape (n_documents,); a document's best chunk counts.

        0 for documents that share no word with it.
        """
        if self._index is None:
            return np.zeros(len(self._starts))
        words = self._index.get_tokens_ids(stem_texts([text])[0])
        chunk_scores = self._index.get_scores_from_ids(words)
        return np.maximum.reduceat(chunk_scores, self._starts).astype(np.float64)

    def find(self, text: str, depth: int) -> Found:
        """The `depth` best documents that share a word with `text`."""
        scores = self.scores(text)
        documents = np.flatnonzero(scores > 0)
        hits = best_hits(documents, scores[documents], depth)
        return Found(hits, score=scores.__getitem__, floor=0.0)
