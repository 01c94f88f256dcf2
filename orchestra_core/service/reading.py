"""Whether a JSON body is one that can be read safely; judged before anything else parses it."""

from __future__ import annotations

import json
from collections.abc import Iterable
from math import isfinite
from typing import Any

MAX_DEPTH = 24
MAX_VALUES = 20_000
LONGEST_INTEGER = 300
"""Digits; larger ones are beyond a float, which most figures are."""
_TOO_DEEP = f"the body is nested deeper than {MAX_DEPTH} levels"


def check_json(body: bytes) -> str:
    """What is wrong with a body, as a sentence; empty when nothing is."""
    try:
        content = json.loads(
            body.decode(), object_pairs_hook=_object, parse_constant=_no_constant,
            parse_int=_integer,
        )  # fmt: skip
    except UnicodeDecodeError:
        return "the body is not UTF-8"
    except RecursionError:
        return _TOO_DEEP
    except ValueError as error:
        return f"the body is not valid JSON: {error}"[:200]
    if not isinstance(content, dict):
        return "expected a JSON object"
    return _check_values(content)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("a key stands twice")
    return found


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number")


def _integer(digits: str) -> int:
    """Python would refuse more than 4300 digits in words of its own, and no float has so many."""
    if len(digits) > LONGEST_INTEGER:
        raise ValueError("a number is too large")
    return int(digits)


def _check_values(content: Any) -> str:
    level, seen, depth = [content], 0, 0
    while level:
        seen, depth = seen + len(level), depth + 1
        if seen > MAX_VALUES:
            return f"the body has more than {MAX_VALUES} values"
        if depth > MAX_DEPTH:
            return _TOO_DEEP
        if not all(_is_clean(value) for value in level if isinstance(value, str)):
            return "a text has half a surrogate pair or a NUL character"
        if not all(isfinite(value) for value in level if isinstance(value, float)):
            return "a number is too large"
        level = [inner for value in level for inner in _inside(value)]
    return ""


def _inside(value: Any) -> Iterable[Any]:
    if isinstance(value, dict):
        return (*value, *value.values())
    return value if isinstance(value, list) else ()


def _is_clean(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return "\0" not in text
