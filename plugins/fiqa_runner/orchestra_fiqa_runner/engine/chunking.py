"""Ways to cut a document into chunks: whole, by sentence, or by overlapping windows of tokens."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from orchestra_core.errors import ExperimentError

Offsets = Sequence[tuple[int, int]]
"""Start and end character of each token."""

_WINDOW = re.compile(r"win([1-9]\d{0,5})_o(0|[1-9]\d{0,5})")
_BREAK = re.compile(r"""(?:[.!?…]+["'”’)\]]*\s+|\s*\n\s*)""")
_LAST_WORD = re.compile(r"(\S+)\.[\"'”’)\]]*\s+$")
_ABBREVIATIONS = frozenset(
    ("mr", "mrs", "ms", "dr", "prof", "st", "jr", "sr", "vs", "inc", "ltd", "co", "corp", "no", "fig")
) | frozenset(("est", "approx", "dept", "e.g", "i.e", "cf", "al", "u.s", "u.k"))


@dataclass(frozen=True, slots=True)
class Chunking:
    """A parsed chunking name."""

    kind: Literal["para", "sent", "window"]
    size: int = 0
    """Tokens in a window."""
    overlap: int = 0
    """Tokens that a window shares with the one before; less than `size`."""

    @property
    def name(self) -> str:
        """The name in canonical form, part of what an index is cached under."""
        return f"win{self.size}_o{self.overlap}" if self.kind == "window" else self.kind


def parse_chunking(name: str, where: str = "") -> Chunking:
    """`para`, `sent` or `winN_oM` (M < N). Raises ExperimentError naming `where` otherwise."""
    if name == "para":
        return Chunking("para")
    if name == "sent":
        return Chunking("sent")
    match = _WINDOW.fullmatch(name)
    if match and int(match[2]) < int(match[1]):
        return Chunking("window", int(match[1]), int(match[2]))
    raise ExperimentError(
        f"'{name}' is not a chunking",
        where=where,
        hint="Known: para (whole documents), sent (sentences), winN_oM (windows of N tokens that "
        "overlap by M, with M below N), such as win256_o64.",
    )


def split_document(text: str, chunking: Chunking, token_offsets: Callable[[str], Offsets]) -> list[str]:
    """The chunks of one document in reading order; never empty, for an empty text `[text]`.

    `token_offsets` is called for windows only.
    """
    if chunking.kind == "sent":
        return split_sentences(text) or [text]
    if chunking.kind == "window":
        return windows(text, token_offsets(text), chunking.size, chunking.overlap) or [text]
    return [text]


def split_sentences(text: str) -> list[str]:
    """Sentences without surrounding space; a piece without any letter or digit joins the one before.

    A sentence ends at a line break, or at `.`, `!` or `?` before a space, unless the next letter is
    a small one or the full stop belongs to an initial or a common abbreviation.
    """
    pieces: list[str] = []
    for piece in _cut(text):
        if pieces and not any(character.isalnum() for character in piece):
            pieces[-1] = f"{pieces[-1]} {piece}"
        else:
            pieces.append(piece)
    return pieces


def windows(text: str, offsets: Offsets, size: int, overlap: int) -> list[str]:
    """Slices of `text` that cover `size` tokens each, the last one perhaps fewer; together all."""
    chunks: list[str] = []
    for start in range(0, len(offsets), size - overlap):
        inside = offsets[start : start + size]
        chunks.append(text[inside[0][0] : inside[-1][1]])
        if start + size >= len(offsets):
            break
    return chunks


def _cut(text: str) -> list[str]:
    pieces, start = [], 0
    for match in _BREAK.finditer(text):
        if _ends_sentence(text, start, match):
            pieces.append(text[start : match.end()].strip())
            start = match.end()
    pieces.append(text[start:].strip())
    return [piece for piece in pieces if piece]


def _ends_sentence(text: str, start: int, match: re.Match[str]) -> bool:
    if "\n" in match[0]:
        return True
    if text[match.end() : match.end() + 1].islower():
        return False
    # Only the tail is searched, so that a text without any sentence costs linear time.
    word = _LAST_WORD.search(text[max(start, match.start() - 20) : match.end()])
    if word is None:
        return True
    stem = word[1].lstrip("(\"'“‘[").lower()
    return not (stem in _ABBREVIATIONS or (len(stem) == 1 and stem.isalpha() and stem != "i"))
