"""What a picture shows, whatever drew it: a PNG may carry the SHA-256 of the data it was drawn from."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

DATA = "Data"
"""The key of the text that says it."""
_BEGINNING = b"\x89PNG\r\n\x1a\n"


def data_of(content: bytes) -> str | None:
    """What a PNG says of its data; None when it says nothing, or is no whole PNG."""
    key = DATA.encode("latin-1") + b"\0"
    chunks = [*_chunks(content)]
    if not chunks or chunks[-1][0] != b"IEND":
        return None
    texts = (body for kind, body in chunks if kind == b"tEXt" and body.startswith(key))
    return next((text[len(key) :].decode("latin-1") for text in texts), None)


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and body of each chunk, up to one that is damaged."""
    at = len(_BEGINNING)
    while content.startswith(_BEGINNING) and len(content) >= at + 12:
        (size,) = struct.unpack_from(">I", content, at)
        body = content[at + 4 : at + 8 + size]
        if content[at + 8 + size : at + 12 + size] != struct.pack(">I", zlib.crc32(body)):
            return
        yield body[:4], body[4:]
        at += 12 + size
