"""What an index is made of: the hash under which it is stored and by which runs compare."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

from orchestra_core.plan import sha256_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestra_fiqa_runner.engine.chunking import Chunking
    from orchestra_fiqa_runner.engine.corpus import Corpus

# Raise it when the code that builds indexes changes what it writes.
_FORMAT = 2
_DECIDING = ("bm25s", "PyStemmer", "tokenizers", "usearch", "wordllama")


def deciding_versions() -> dict[str, str]:
    """Distribution → version of every library that decides a ranking."""
    return {name: version(name) for name in _DECIDING}


def collection_hash(corpus: Corpus, chunking: Chunking, build: Mapping[str, int]) -> str:
    """SHA-256 of everything that decides a collection's indexes; `build`: how the graph is built."""
    return sha256_of(
        {
            "format": _FORMAT,
            "corpus": corpus.sha256,
            "chunking": chunking.name,
            "build": dict(build),
            "versions": deciding_versions(),
        }
    )
