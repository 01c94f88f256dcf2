"""Results of units as they lie on disk: gzipped JSON lines, one unit a line, named by their SHA-256.

What is read back is what was seen, to the last digit; only the target's own scores, which nothing
reads after the fact, are left out.
"""

from __future__ import annotations

import gzip
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, TypeVar

from orchestra_core.artifacts import storage_damage
from orchestra_core.errors import StorageError
from orchestra_core.observation import Failure, LatencySample, Observation

Item = Observation | LatencySample
Seen = TypeVar("Seen", Observation, LatencySample)
_LEFT_OUT = frozenset({"scores"})


@dataclass(frozen=True)
class UnitResultFile:
    """A file of results: its content, and the name that follows from it."""

    name: str
    data: bytes


def encode(results: Iterable[tuple[str, Sequence[Item]]]) -> UnitResultFile:
    """A file with the results of some units, by key."""
    lines = [_line(key, items) for key, items in results]
    texts = [json.dumps(line, ensure_ascii=False, separators=(",", ":")) for line in lines]
    data = gzip.compress("\n".join(texts).encode("utf-8", "surrogatepass"), 1, mtime=0)
    return UnitResultFile(hashlib.sha256(data).hexdigest(), data)


class ResultFolder:
    """Reads results back; keeps the last file, because units are taken up as they were laid down."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._name = ""
        self._lines: dict[str, list[Mapping[str, Any]]] = {}

    def read(self, name: str, key: str, kind: type[Seen]) -> tuple[Seen, ...]:
        """What was seen of a unit. Raises StorageError for a file that is missing or damaged."""
        path = self.path(name)
        if name != self._name:
            self._name, self._lines = name, _read(path)
        with storage_damage(path):
            found = self._lines[key]
            line = found.pop(0) if len(found) > 1 else found[0]
            return tuple(_item(kind, line["fields"], row) for row in line["rows"])

    def path(self, name: str) -> Path:
        """Where a file of that name lies."""
        return self._folder / f"{name}.jsonl.gz"


def _read(path: Path) -> dict[str, list[Mapping[str, Any]]]:
    with storage_damage(path):
        data = path.read_bytes()
        if hashlib.sha256(data).hexdigest() != path.name.partition(".")[0]:
            hint = (
                "Restore the file from a copy; a resumed run, or one started with --fork, asks again."
            )
            raise StorageError("the content is not what its name says", where=str(path), hint=hint)
        found: dict[str, list[Mapping[str, Any]]] = {}
        for text in gzip.decompress(data).decode("utf-8", "surrogatepass").split("\n"):
            line = json.loads(text)
            found.setdefault(line["unit"], []).append(line)
        return found


def _line(key: str, items: Sequence[Item]) -> dict[str, Any]:
    names = _names(type(items[0])) if items else ()
    return {
        "unit": key,
        "fields": names,
        "rows": [[_plain(getattr(i, n)) for n in names] for i in items],
    }


def _names(kind: type[Item]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind) if field.name not in _LEFT_OUT)


def _plain(value: Any) -> Any:
    if isinstance(value, Failure):
        return asdict(value)
    if isinstance(value, Mapping):
        return {str(name): float(figure) for name, figure in value.items()}
    return value


def _item(kind: type[Seen], names: Sequence[str], row: Sequence[Any]) -> Seen:
    found = dict(zip(names, row, strict=True))
    if found["failure"] is not None:
        found["failure"] = Failure(**found["failure"])
    if "ranking" in found:
        found["ranking"] = tuple(found["ranking"])
    return kind(**found)
