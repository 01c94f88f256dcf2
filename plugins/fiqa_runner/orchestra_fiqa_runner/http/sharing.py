"""One request for several `top_k`, where the mapping says that answers are each other's beginnings.

Quality alone is shared; probes never come here.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from orchestra_core.outbound.replies import Reply
    from orchestra_core.plan import Configuration

DEPTH = "top_k"
Key = tuple[object, ...]


@dataclass
class _Entry:
    """One answer at the deepest `top_k`, until each configuration has had it once."""

    left: set[str]
    answer: Reply | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


class Shared:
    """Configurations of one experiment that differ in `top_k` alone."""

    def __init__(self, configurations: Iterable[Configuration]) -> None:
        groups: dict[Key, dict[str, int]] = {}
        for configuration in configurations:
            depth = configuration.parameters.get(DEPTH)
            if isinstance(depth, int) and not isinstance(depth, bool):
                groups.setdefault(_rest(configuration), {})[configuration.config_id] = depth
        self._groups = {key: group for key, group in groups.items() if len(group) > 1}
        self._entries: dict[tuple[Key, str], _Entry] = {}
        self._lock = threading.Lock()

    def depth(self, configuration: Configuration) -> int | None:
        """The `top_k` that serves the whole group; None for a configuration that shares with none."""
        group = self._groups.get(_rest(configuration))
        return max(group.values()) if group and configuration.config_id in group else None

    def name(self, configuration: Configuration) -> str:
        """A name of the group, which none of its configurations has."""
        return f"shared: {min(self._groups[_rest(configuration)])}"

    def answer(
        self, configuration: Configuration, query_id: str, ask: Callable[[], Reply]
    ) -> tuple[Reply, bool]:
        """The group's answer to a query, and whether this call asked for it.

        A failure is raised to whoever asked and not kept: the next configuration asks for itself. One
        that comes a second time (in a later stage) gets a fresh answer.
        """
        config_id, key = configuration.config_id, (_rest(configuration), query_id)
        entry = self._entry(key, config_id)
        with entry.lock:
            asked = entry.answer is None
            if entry.answer is None:
                entry.answer = ask()
            answer = entry.answer
        with self._lock:
            entry.left.discard(config_id)
            if not entry.left and self._entries.get(key) is entry:
                del self._entries[key]
        return answer, asked

    def _entry(self, key: tuple[Key, str], config_id: str) -> _Entry:
        with self._lock:
            entry = self._entries.get(key)
            if entry is None or config_id not in entry.left:
                entry = self._entries[key] = _Entry(set(self._groups[key[0]]))
            return entry


def _rest(configuration: Configuration) -> Key:
    return tuple(sorted((n, repr(v)) for n, v in configuration.parameters.items() if n != DEPTH))
