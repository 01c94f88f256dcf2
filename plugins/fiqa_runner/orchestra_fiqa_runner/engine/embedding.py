"""Texts to vectors, with WordLlama's own weights and tokenizer. Never touches the network."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DIMENSIONS = 256
Vectors = NDArray[np.float32]
"""float32 of shape (n, 256); rows have length 1, or 0 for a text without tokens."""


class Encoder:
    """WordLlama's embedding: the mean of a text's token vectors, scaled to length 1.

    Each text is embedded by itself: in a padded batch the rounding would depend on its neighbours.
    Safe to call from several threads.
    """

    def __init__(self, tokenizer: Any, matrix: NDArray[np.float32]) -> None:
        self._tokenizer = tokenizer
        self._matrix = matrix

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Vectors of shape (len(texts), 256)."""
        vectors = np.zeros((len(texts), DIMENSIONS), dtype=np.float32)
        for row, text in enumerate(texts):
            vectors[row] = self._embed_one(text)
        return vectors

    def count_tokens(self, text: str) -> int:
        """Tokens of a text: what an embedding service would charge for."""
        return len(self._encode(text).ids)

    def token_offsets(self, text: str) -> list[tuple[int, int]]:
        """Start and end character of each token."""
        return list(self._encode(text).offsets)

    def _encode(self, text: str) -> Any:
        return self._tokenizer.encode(text, add_special_tokens=False)

    def _embed_one(self, text: str) -> NDArray[np.float32]:
        total: NDArray[np.float32] = self._matrix[self._encode(text).ids].sum(axis=0)
        length = np.sqrt(np.square(total).sum())
        return total / length if length > 0 else total


@lru_cache(maxsize=1)
def load_encoder() -> Encoder:
    """The encoder, loaded once per process (about 0.4 s with its import, 60 MB)."""
    with _root_logger_untouched():
        import wordllama

    folder = Path(wordllama.__file__).parent
    model = wordllama.WordLlama.load(cache_dir=folder, dim=DIMENSIONS, disable_download=True)
    model.tokenizer.no_padding()
    return Encoder(model.tokenizer, model.embedding)


@contextmanager
def _root_logger_untouched() -> Iterator[None]:
    # wordllama calls logging.basicConfig when imported, which does nothing if a handler is there.
    root, placeholder = logging.getLogger(), logging.NullHandler()
    root.addHandler(placeholder)
    try:
        yield
    finally:
        root.removeHandler(placeholder)
