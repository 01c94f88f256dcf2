"""What came back, read with limits: header size, body size (packed and unpacked), depth of JSON."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from orchestra_core.errors import RequestFailed

Headers = Mapping[str, str]
_WINDOW = {"gzip": 31, "x-gzip": 31, "deflate": 47}
_TOKEN = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[\]{}]', re.DOTALL)
"""A string or a bracket; possessive, so that no input makes it go back and take long."""
_OPENING = (b"[", b"{")


@dataclass(frozen=True, slots=True)
class Sizes:
    """The most that an answer may be."""

    headers: int = 32 * 1024
    """Bytes of all headers; a single one beyond 100 KiB is never taken in."""
    body: int = 16 * 1024 * 1024
    """Bytes, packed and unpacked."""
    depth: int = 64
    """Brackets within brackets in JSON."""


def read_headers(raw: Sequence[tuple[bytes, bytes]], sizes: Sizes) -> Headers:
    """Names in lower case; of a repeated one the first. Raises RequestFailed (`headers_too_large`)."""
    if sum(len(name) + len(value) + 4 for name, value in raw) > sizes.headers:
        raise RequestFailed(
            "headers_too_large",
            f"the answer's headers are larger than {sizes.headers:,} bytes",
            hint="Look at what the target, or a proxy before it, sends.",
        )
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in reversed(raw)}


def read_body(headers: Headers, stream: Iterable[bytes], sizes: Sizes) -> bytes:
    """The whole body, unpacked. Raises RequestFailed (`too_large`, `encoding`, `truncated`)."""
    declared = headers.get("content-length", "")
    if declared.isdigit() and int(declared[:20]) > sizes.body:
        raise _too_large(sizes)
    found, size = [], 0
    for chunk in stream:
        size += len(chunk)
        if size > sizes.body:
            raise _too_large(sizes)
        found.append(chunk)
    body = b"".join(found)
    packing = headers.get("content-encoding", "identity").strip()
    return body if packing.lower() in ("identity", "") else _unpacked(body, packing, sizes)


def parse_json(body: bytes, sizes: Sizes) -> Any:
    """JSON values. Raises RequestFailed for what is none, or nests too deeply."""
    if body.count(b"[") + body.count(b"{") > sizes.depth and depth(body) > sizes.depth:
        raise RequestFailed(
            "too_deep",
            f"the answer's JSON is nested more than {sizes.depth} deep",
            hint="No search result needs that; look at what the target sends.",
        )
    try:
        return json.loads(body, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise RequestFailed(
            "not_json",
            f"the answer is not JSON: {error}",
            hint="Look at what the target sends; runner.base_url or the mapping's path may be wrong.",
        ) from error


def depth(body: bytes) -> int:
    """How deeply brackets stand within brackets, those inside strings not counted."""
    deepest = level = 0
    for match in _TOKEN.finditer(body):
        first = match[0][:1]
        if first in _OPENING:
            level += 1
            deepest = max(deepest, level)
        elif first != b'"':
            level -= 1
    return deepest


def _unpacked(body: bytes, packing: str, sizes: Sizes) -> bytes:
    window = _WINDOW.get(packing.lower())
    if window is None:
        raise RequestFailed(
            "encoding",
            f"the answer is packed as '{packing}', which was not asked for",
            hint="Let the target answer unpacked, or by gzip.",
        )
    unpacker = zlib.decompressobj(window)
    try:
        found = unpacker.decompress(body, sizes.body + 1)
    except zlib.error as error:
        raise RequestFailed("encoding", f"the answer cannot be unpacked: {error}") from error
    if len(found) > sizes.body:
        raise _too_large(sizes)
    if not unpacker.eof:
        raise RequestFailed("truncated", "the packed answer ends before it is whole")
    return found


def _no_number(text: str) -> NoReturn:
    raise ValueError(f"'{text}' is no number in JSON")


def _too_large(sizes: Sizes) -> RequestFailed:
    return RequestFailed(
        "too_large",
        f"the answer is larger than {sizes.body:,} bytes",
        hint="Ask for ids and scores alone, not for whole documents.",
    )
