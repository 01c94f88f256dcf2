"""The search engine: which documents hold the words of a question. Knows nothing of Orchestra."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping

_WORD = re.compile(r"\w+")


class Index:
    """Words and the documents they stand in, in memory; read-only, so threads may share it."""

    def __init__(self, corpus: Mapping[str, str], stop_words: Collection[str] = ()) -> None:
        self._size = len(corpus)
        self._stop_words = frozenset(stop_words)
        self._postings: defaultdict[str, dict[str, int]] = defaultdict(dict)
        for document_id, text in corpus.items():
            for word, count in Counter(self._words(text)).items():
                self._postings[word][document_id] = count

    def search(self, question: str, *, weighting: str, damping: float, top_k: int) -> list[str]:
        """Ids of the best documents, best first; equal scores in id order.

        A word scores 1 per document (`presence`), its count to the power of `damping` (`count`), or
        that times its rarity (`tfidf`).
        """
        scores: defaultdict[str, float] = defaultdict(float)
        for word in sorted(set(self._words(question))):
            postings = self._postings.get(word, {})
            rarity = math.log1p(self._size / max(1, len(postings)))
            for document_id, count in postings.items():
                power = 0.0 if weighting == "presence" else damping
                scores[document_id] += count**power * (rarity if weighting == "tfidf" else 1.0)
        return sorted(scores, key=lambda d: (-scores[d], d))[:top_k]

    def _words(self, text: str) -> list[str]:
        return [word for word in _WORD.findall(text.lower()) if word not in self._stop_words]
