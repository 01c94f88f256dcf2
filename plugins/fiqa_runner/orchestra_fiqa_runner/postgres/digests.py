"""Content hashes that both sides can compute: from rows in the database, from texts in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable


def digest_of(pairs: Iterable[tuple[str, str]]) -> str:
    """SHA-256 over (key, text) pairs in their order; `schema.texts_digest` is the same in SQL."""
    whole = hashlib.sha256()
    for key, text in pairs:
        whole.update(hashlib.sha256(key.encode()).digest())
        whole.update(hashlib.sha256(text.encode()).digest())
    return whole.hexdigest()
