"""Header values from environment variables, and their removal from everything that is written down."""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterable, Mapping
from typing import Any

from orchestra_core.errors import ExperimentError

HIDDEN = "[redacted]"
SHORTEST = 4
"""Shorter values are no secrets, and taking them out would tear holes into any text."""
_VARIABLE = re.compile(r"\$\{env:([A-Za-z_][A-Za-z0-9_]*)\}")
_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_OURS = frozenset(
    ("host", "content-length", "content-type", "transfer-encoding", "connection", "accept-encoding")
)


_URL_SAFE = str.maketrans("+/", "-_")
_LONGEST_FORM = 12
"""Characters that one character of a value may become."""


def check_headers(headers: dict[str, str]) -> dict[str, str]:
    """Names and templates of `runner.headers`. Raises ValueError; no variable is read."""
    if len({name.lower() for name in headers}) < len(headers):
        raise ValueError("a header stands twice; case makes no difference")
    for name, template in headers.items():
        if not _NAME.fullmatch(name):
            raise ValueError(f"'{name[:40]}' is no name of a header")
        if name.lower() in _OURS:
            raise ValueError(f"the header '{name}' is set by Orchestra itself")
        if not _VARIABLE.search(template):
            # The value is not shown: it may be the secret.
            raise ValueError(
                f"the value of '{name}' must come from an environment variable: "
                "write ${env:NAME}, for example 'Bearer ${env:SEARCH_TOKEN}'"
            )
        if re.search(r"[^\x20-\x7e]", template):
            raise ValueError(f"the value of '{name}' holds characters that no header may hold")
    return headers


def variables_of(template: str) -> list[str]:
    """Names of the environment variables that a header's value is made of."""
    return _VARIABLE.findall(template)


class Secrets:
    """The values of one run. Never shown: not by repr, not in an error, not in a journal."""

    def __init__(self, templates: Mapping[str, str], environ: Mapping[str, str]) -> None:
        """Raises ExperimentError for a variable that is not set, or cannot stand in a header."""
        self._values: set[str] = set()
        self.headers = tuple(
            (name.encode(), self._filled(name, template, environ).encode())
            for name, template in templates.items()
        )
        longest_first = sorted((v for v in self._values if len(v) >= SHORTEST), key=len, reverse=True)
        any_form = "|".join(map(_in_any_form, longest_first))
        self._pattern = re.compile(any_form, re.IGNORECASE) if longest_first else None
        self._anchors = {_anchor(form) for value in longest_first for form in (value, *_coded(value))}
        self._longest = _LONGEST_FORM * len(longest_first[0]) if longest_first else 0

    def _filled(self, name: str, template: str, environ: Mapping[str, str]) -> str:
        return _VARIABLE.sub(lambda match: self._read(name, match[1], environ), template)

    def _read(self, name: str, variable: str, environ: Mapping[str, str]) -> str:
        value = environ.get(variable, "").strip()
        where = f"runner.headers.{name}"
        if not value:
            raise ExperimentError(
                f"the environment variable {variable} is not set", where=where, hint=f"Set {variable}."
            )
        if re.search(r"[^\x20-\x7e]", value):
            raise ExperimentError(
                f"the environment variable {variable} holds characters that no header may hold",
                where=where,
                hint="Headers are of printable ASCII characters in one line.",
            )
        self._values.add(value)
        return value

    def redact(self, text: str) -> str:
        """The text without any of the values, in whatever case, escaped for JSON, a URL or HTML, in
        hexadecimal digits or base64 (alone or within other text).
        """
        if self._pattern is None or not self._may_hold_one(text):
            return text
        return self._pattern.sub(HIDDEN, text)

    def _may_hold_one(self, text: str) -> bool:
        """Much quicker than the pattern: whether letters and digits of a form are there, or escaped."""
        lower = text.lower()
        return "%" in lower or any(anchor in lower for anchor in self._anchors)

    def beginning(self, text: str, most: int) -> str:
        """The same for the first `most` characters; a value that is cut off there is taken out."""
        if self._pattern is None:
            return text[:most]
        window = text[: most + self._longest]
        for match in self._pattern.finditer(window):
            if match.start() < most < match.end():
                most = match.end()
        return self.redact(window[:most])

    def redact_json(self, value: Any) -> Any:
        """The same for JSON values, keys included."""
        if isinstance(value, str):
            return self.redact(value)
        if isinstance(value, Mapping):
            return {self.redact(str(key)): self.redact_json(inner) for key, inner in value.items()}
        if isinstance(value, Iterable):
            return [self.redact_json(inner) for inner in value]
        return value

    def __repr__(self) -> str:
        return f"<Secrets for {len(self.headers)} headers>"


def _in_any_form(value: str) -> str:
    """A pattern, for any case, of a value as it is, coded, or escaped for JSON, a URL, HTML, by repr.

    Letters and digits stay as they are when escaped, but for a URL of which every character is.
    """
    in_hex, *in_base64 = (re.sub(r"[^A-Za-z0-9]", _escaped, form) for form in _coded(value))
    plain = re.sub(r"\\+|[^\\]", _escaped, value)
    return f"{plain}|{in_hex}|(?-i:{'|'.join(in_base64)})"


def _coded(value: str) -> list[str]:
    """Hexadecimal digits; base64, whole, and what is the same of it wherever in a text the value is."""
    data, found = value.encode(), [base64.b64encode(value.encode()).decode()]
    for before in range(3):
        text = base64.b64encode(bytes(before) + data).decode()
        found.append(text[-(-8 * before // 6) : 8 * (before + len(data)) // 6])
    safe = [text.translate(_URL_SAFE) for text in found]
    return [data.hex(), *dict.fromkeys([*found, *safe])]


def _anchor(form: str) -> str:
    """What no escaping changes of it, but for one of every character."""
    return max(re.findall("[A-Za-z0-9]+", form), key=len, default="").lower()


def _escaped(match: re.Match[str]) -> str:
    found = match[0]
    if found.isalnum():
        return f"(?:{found}|%{ord(found):02x})"
    if found.startswith("\\"):
        plain = rf"\\{{{len(found)},{4 * len(found)}}}"
    else:
        plain = rf"\\{{0,3}}{re.escape(found)}"
    code, in_html = ord(found[0]), html.escape(found[0])
    coded = [
        rf"%{code:02x}",
        rf"\\{{1,3}}u00{code:02x}",
        rf"&\#(?:0{{0,3}}{code}|x0{{0,3}}{code:02x});",
    ]
    coded += [re.escape(in_html)] if in_html != found[0] else []
    coded += [r"\+"] if found == " " else []
    return f"(?:(?i:{'|'.join(coded)}){{{len(found)}}}|{plain})"
