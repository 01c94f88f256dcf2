"""The hooks, from signatures and docstrings of hookspecs."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator, Sequence

from orchestra_core import hookspecs

_LABELS = re.compile(r"(When|Returns|Combination|Raises(?: \([^)]*\))?): ")
_BANNER = re.compile(r"^# -{20,}\n# (?P<phase>\w+)\n# -{20,}$", re.MULTILINE)


def hooks() -> str:
    """One section per phase, one entry per hook, from the docstrings and signatures of hookspecs."""
    parts = []
    for phase, names in phases().items():
        parts.append(f"## {phase}")
        parts += [_hook(name) for name in names]
    return "\n\n".join(parts)


def phases() -> dict[str, list[str]]:
    """Phase → names of its hooks, in the order of the file."""
    source = inspect.getsource(hookspecs)
    banners = list(_BANNER.finditer(source))
    ends = [banner.start() for banner in banners[1:]] + [len(source)]
    return {
        banner["phase"]: re.findall(r"^def (orchestra_\w+)", source[banner.end() : end], re.MULTILINE)
        for banner, end in zip(banners, ends, strict=True)
    }


def signature(name: str) -> str:
    """A hook's signature as it stands in hookspecs."""
    function = inspect.signature(getattr(hookspecs, name))
    arguments = ", ".join(f"{p.name}: {p.annotation}" for p in function.parameters.values())
    return f"{name}({arguments}) -> {function.return_annotation}"


def _hook(name: str) -> str:
    text = inspect.getdoc(getattr(hookspecs, name)) or ""
    prose, _, example = text.partition("\n    ")
    summary, _, body = prose.partition("\n\n")
    pieces = _LABELS.split(" ".join(body.split()))[1:]
    facts = [f"- **{label}:** {words.strip()}" for label, words in _pairs(pieces)]
    code = "\n".join(line.removeprefix("    ") for line in example.splitlines())
    shown = ["```python", signature(name), "```", "", " ".join(summary.split()), ""]
    return "\n".join([f"### {name}", "", *shown, *facts, "", "```python", code.rstrip(), "```"])


def _pairs(items: Sequence[str]) -> Iterator[tuple[str, str]]:
    """(first, second), (third, fourth), …"""
    return zip(items[::2], items[1::2], strict=True)
