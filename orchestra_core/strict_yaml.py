"""YAML read strictly: YAML 1.2 booleans, no duplicate keys, and a line number for every key.

PyYAML follows YAML 1.1, in which `mmr: off` is the boolean false. Search people write `off` and mean
the word, so only `true` and `false` are booleans here. Used by `layers`, for files and `--set` values.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import yaml

from orchestra_core.errors import ExperimentError

MAX_BYTES = 1_048_576
Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A parsed document and the line (from 1) at which each key path stands."""

    value: Any
    lines: dict[Path, int]


class _Loader(yaml.SafeLoader):
    """SafeLoader with the booleans and floats of YAML 1.2's core schema."""


_TAGS_REPLACED = ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:float")
_Loader.yaml_implicit_resolvers = {
    first: [(tag, regexp) for tag, regexp in resolvers if tag not in _TAGS_REPLACED]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"^(?:true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"^[-+]?(?:\d+\.\d*|\.\d+|\d+)(?:[eE][-+]?\d+)?$"),
    list("-+.0123456789"),
)


def parse(text: str, where: str) -> Document:
    """Parse one document; `where` names its origin in errors. Raises ExperimentError."""
    if len(text.encode(errors="replace")) > MAX_BYTES:
        raise ExperimentError("the file is larger than 1 MiB", where=where)
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
        if node is None:
            return Document({}, {})
        lines = dict(_positions(node, (), where, set()))
        return Document(loader.construct_document(node), lines)
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, where) from None
    except yaml.YAMLError as error:
        raise ExperimentError(f"not readable as YAML: {error}", where=where) from None
    except RecursionError:
        raise ExperimentError("nested too deeply", where=where) from None
    except (ValueError, OverflowError) as error:
        raise ExperimentError(f"a value is not valid YAML: {error}", where=where) from None


def _positions(node: yaml.Node, path: Path, where: str, seen: set[int]) -> Iterator[tuple[Path, int]]:
    if id(node) in seen:  # an alias: its anchor was visited
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        keys: set[str] = set()
        for key_node, value_node in node.value:
            key, line = str(key_node.value), key_node.start_mark.line + 1
            if key in keys:
                raise ExperimentError(
                    f"the key '{key}' stands twice in one mapping",
                    where=f"{where}, line {line}",
                    hint="Keep one of the two.",
                )
            keys.add(key)
            yield (*path, key), line
            yield from _positions(value_node, (*path, key), where, seen)
    elif isinstance(node, yaml.SequenceNode):
        for index, item in enumerate(node.value):
            yield (*path, index), item.start_mark.line + 1
            yield from _positions(item, (*path, index), where, seen)


def _syntax_error(error: yaml.MarkedYAMLError, where: str) -> ExperimentError:
    mark = error.problem_mark or error.context_mark
    place = f"{where}, line {mark.line + 1}, column {mark.column + 1}" if mark else where
    return ExperimentError(
        f"not valid YAML: {error.problem or error}",
        where=place,
        hint="Check the indentation, the colons and the quotes on that line.",
    )
