"""Markdown that stays whole whatever the values hold."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_SPECIAL = re.compile(r"[\\`*|\[\]~$]")
_LONE_UNDERSCORE = re.compile(r"(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}


def escape(value: object) -> str:
    """A value as plain text on one line.

    An underscore inside a word stays as it is, so that config_ids can be searched for and copied.
    """
    line = " ".join(str(value).split())
    line = _SPECIAL.sub(lambda match: f"\\{match[0]}", line)
    line = _LONE_UNDERSCORE.sub(r"\\_", line)
    return "".join(_ENTITIES.get(character, character) for character in line)


def table(header: Sequence[str], rows: Iterable[Sequence[object]], *, right: int = 0) -> str:
    """A table of escaped values; columns from index `right` on hold figures, if it isn't 0."""
    rules = ["---:" if right and index >= right else "---" for index in range(len(header))]
    lines = [header, rules, *([escape(cell) or " " for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def bullets(lines: Iterable[str]) -> str:
    """A list; the lines are Markdown already."""
    return "".join(f"- {line}\n" for line in lines)


def section(title: str, body: str) -> str:
    """A second-level section, or '' when there is nothing to say."""
    return f"\n## {title}\n\n{body}" if body else ""
