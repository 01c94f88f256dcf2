"""Where a policy can stand: a file, or a service that takes PUT and answers GET."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import jmespath
from jmespath.exceptions import JMESPathError

from orchestra_core.artifacts import json_bytes, remove, storage_damage, write_atomic
from orchestra_core.errors import RequestFailed, TargetError, UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from orchestra_core.outbound.door import Door

LARGEST = 65_536
"""Bytes of a policy; it goes into the journal."""


@dataclass(frozen=True, eq=False)
class Found:
    """What stands in a place: JSON values, or nothing."""

    there: bool
    value: Any = None

    def __eq__(self, other: object) -> bool:
        """Equal as JSON: 1 is 1.0, and true is not 1."""
        return isinstance(other, Found) and _plain(self) == _plain(other)

    __hash__ = None  # type: ignore[assignment]


class Place(Protocol):
    """`name` is for people, and says whether two places are the same."""

    name: str

    def read(self) -> Found:
        """What stands there now."""

    def write(self, value: Any) -> None:
        """Put it there, whole or not at all."""

    def remove(self) -> None:
        """Leave nothing there."""


class FilePlace:
    """A JSON file in the home folder; its own folder is made when it is missing."""

    def __init__(self, home: Path, file: str, keys: frozenset[str]) -> None:
        """`keys`: those of a policy; a file of anything else is left alone.

        Raises UsageError where links lead out of the home folder.
        """
        self._path, self._keys = (home / file).resolve(), keys
        self.name = str(home / file)
        if not self._path.is_relative_to(home.resolve()):
            raise UsageError(
                f"it leads out of the home folder, to {self._path}",
                where=f"plugins.fiqa.policy.file: {file}",
                hint="Name a file in the home folder; a link in there may lead to it from outside.",
            )

    def read(self) -> Found:
        """Raises UsageError where something else than a policy stands there, StorageError."""
        if not self._path.exists():
            return Found(False)
        with storage_damage(self._path):
            content = self._path.read_bytes() if self._path.is_file() else b""
        try:
            value = json.loads(content)
        except ValueError:
            value = None
        if not isinstance(value, dict) or not value.keys() <= self._keys or len(content) > LARGEST:
            raise UsageError(
                "it holds something else than a policy, and is left as it is",
                where=self.name,
                hint="Move it away, or name another file in plugins.fiqa.policy.file.",
            )
        return Found(True, value)

    def write(self, value: Any) -> None:
        """Atomic, synced. Raises StorageError."""
        write_atomic(self._path, json_bytes(value))

    def remove(self) -> None:
        """Raises StorageError."""
        remove(self._path)


class ServicePlace:
    """A service, through the door; every method raises RequestFailed where it refuses or is silent."""

    def __init__(self, door: Door, put: str, get: str, read: str) -> None:
        """`put`, `get`: paths below the door's base; `read`: JMESPath, where the policy stands."""
        self._door, self._put, self._get, self._read = door, put, get, read
        self.name = f"PUT {str(door.base).rstrip('/')}{put}"

    def read(self) -> Found:
        """404, no content and null mean that there is none. Raises TargetError for a secret in it."""
        try:
            reply = self._door.send("GET", self._get)
        except RequestFailed as error:
            if error.reason == "http_404":
                return Found(False)
            raise
        if not reply.body:
            return Found(False)
        try:
            value = jmespath.search(self._read, reply.json())
        except JMESPathError as error:
            problem = self._door.redact(str(error))
            told = f"GET {self._get}: plugins.fiqa.policy.read does not fit the answer: {problem}"
            raise TargetError(told, hint="Compare it with what the target answers.") from None
        if self._door.redact_json(value) != value or len(json.dumps(value)) > LARGEST:
            raise TargetError(
                f"GET {self._get}: the policy holds a value of runner.headers, or is too large",
                hint="It could not be restored. Name its part by plugins.fiqa.policy.read.",
            )
        return Found(value is not None, value)

    def write(self, value: Any) -> None:
        """PUT."""
        self._door.send("PUT", self._put, content=value)

    def remove(self) -> None:
        """DELETE; a target that knows no such thing refuses it."""
        self._door.send("DELETE", self._put)


def _plain(found: Found) -> Any:
    return found.there, _tagged(found.value)


def _tagged(value: Any) -> Any:
    if isinstance(value, bool):
        return ("true" if value else "false",)
    if isinstance(value, dict):
        return {str(key): _tagged(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_tagged(inner) for inner in value]
    return value
