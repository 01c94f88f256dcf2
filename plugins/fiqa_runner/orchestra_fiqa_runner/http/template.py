"""Values into a request: `${name}`, `${name|complement}`, `${name|at_least(other)}`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from orchestra_core.errors import ExperimentError, nearest

_PLACE = re.compile(r"\$\{([^{}]*)\}")
_INSIDE = re.compile(
    r"([A-Za-z_][A-Za-z0-9_.-]*)(?:\|(complement|at_least\(([A-Za-z_][A-Za-z0-9_.-]*)\)))?"
)
_MISSING = object()


class Filling:
    """One filling of a template, which notes the names that it used.

    `values`: what has a value; `known`: names that may lack one, so that their key is left out.
    """

    def __init__(self, values: Mapping[str, Any], known: frozenset[str], where: str) -> None:
        self._values, self._known, self._where = values, known, where
        self.used: set[str] = set()

    def fill(self, template: Any) -> Any:
        """JSON values with every place filled. Raises ExperimentError for a name without value."""
        if isinstance(template, dict):
            return self._fill_object(template)
        if isinstance(template, list):
            return [self._present(self.fill(inner), inner) for inner in template]
        if isinstance(template, str):
            return self._fill_text(template)
        return template

    def path(self, template: str) -> str:
        """A path; values are escaped, so that none can add a segment. Raises ExperimentError."""
        return _PLACE.sub(lambda place: self._segment(place[1]), template)

    def _fill_object(self, template: Mapping[str, Any]) -> dict[str, Any]:
        filled = {self._key(key): self.fill(inner) for key, inner in template.items()}
        return {key: value for key, value in filled.items() if value is not _MISSING}

    def _key(self, key: str) -> str:
        return str(self._present(self._fill_text(key), key)) if "${" in key else key

    def _fill_text(self, text: str) -> Any:
        whole = _PLACE.fullmatch(text)
        if whole:
            return self._value(whole[1])
        return _PLACE.sub(lambda place: _as_text(self._present(self._value(place[1]), text)), text)

    def _segment(self, inside: str) -> str:
        text = _as_text(self._present(self._value(inside), inside))
        if text in ("", ".", ".."):
            raise ExperimentError(
                f"'{text}' cannot stand in a path", where=self._where, hint="Give a name."
            )
        return quote(text, safe="")

    def _value(self, inside: str) -> Any:
        match = _INSIDE.fullmatch(inside)
        if match is None:
            raise ExperimentError(
                f"'${{{inside}}}' cannot be read",
                where=self._where,
                hint="Write ${name}, ${name|complement} or ${name|at_least(other)}.",
            )
        name, how, other = match.groups()
        value = self._named(name)
        if how is None or value is _MISSING:
            return value
        if how == "complement":
            return round(1 - self._number(name, value), 12)
        least = self._number(other, self._present(self._named(other), other))
        return max(self._number(name, value), least)

    def _named(self, name: str) -> Any:
        self.used.add(name)
        value = self._values.get(name)
        if value is not None:
            return value
        if name in self._known:
            return _MISSING
        if name in self._values:
            raise ExperimentError(
                f"the mapping needs the constant '{name}'",
                where=f"{self._where}.constants.{name}",
                hint=f"Give it: --set {self._where}.constants.{name}=…",
            )
        raise ExperimentError(
            f"the mapping speaks of '{name}', which is no parameter and no constant",
            where=self._where,
            hint=nearest(name, {*self._values, *self._known}),
        )

    def _present(self, value: Any, place: str) -> Any:
        if value is _MISSING:
            raise ExperimentError(
                f"no configuration gives a value for '{place}' of the mapping",
                where=self._where,
                hint="Name the parameter in space or baseline, or give the mapping a default for it.",
            )
        return value

    def _number(self, name: str, value: Any) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ExperimentError(
                f"the mapping computes with '{name}', which is {value!r} and no number",
                where=self._where,
                hint="Send it as it is: ${" + name + "}.",
            )
        return value


def _as_text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)
