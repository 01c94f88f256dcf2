"""One question, asked alone: nothing of its answer is shared or remembered.

`Prober` times it for a run; the HTTP server answers with it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from time import perf_counter, thread_time
from typing import TYPE_CHECKING

from orchestra_fiqa_runner.engine.block import Block

if TYPE_CHECKING:
    from orchestra_fiqa_runner.engine.source import IndexSource
    from orchestra_fiqa_runner.knobs import Knobs
    from orchestra_fiqa_runner.settings import FiqaSettings

Clock = Callable[[], float]
"""Seconds of work that a request is charged for."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a question found."""

    ids: tuple[str, ...]
    """Documents, best first, at most `top_k`."""
    scores: tuple[float, ...]
    latency_ms: float
    breakdown_ms: Mapping[str, float]
    cost: float
    """USD: the seconds it worked, and the query's tokens where it was embedded."""


class Asker:
    """Asks one run's indexes. Holds no state of its own, so threads may share it."""

    def __init__(
        self, indexes: IndexSource, settings: FiqaSettings, clock: Clock = thread_time
    ) -> None:
        """`clock`: this thread's CPU time, unless the work is done elsewhere."""
        self._indexes = indexes
        self._settings = settings
        self._clock = clock

    def ask(self, knobs: Knobs, text: str) -> Found:
        """Search for `text`, and say what it cost. Raises whatever the engine raises."""
        found = self.search(knobs, text)
        return replace(found, cost=found.cost + self.embedding_price(knobs, text))

    def search(self, knobs: Knobs, text: str) -> Found:
        """Search for `text`; the cost is that of the work alone. Raises whatever the engine raises."""
        began, worked = perf_counter(), self._clock()
        block = Block(self._indexes, [text], self._settings.candidates)
        ranked = block.ranked(knobs, knobs.top_k)
        length = int(ranked.lengths[0])
        ids = tuple(self._indexes.corpus.ids[d] for d in ranked.documents[0, :length].tolist())
        scores = tuple(ranked.scores[0, :length].tolist())
        seconds, worked = perf_counter() - began, self._clock() - worked
        breakdown = {step: value * 1000 for step, value in block.seconds.items()}
        cost = worked / 3600 * self._settings.cpu_usd_per_hour
        return Found(ids, scores, seconds * 1000, breakdown, cost)

    def embedding_price(self, knobs: Knobs, text: str) -> float:
        """USD for embedding the query's tokens, where it is embedded at all."""
        tokens = self._indexes.encoder().count_tokens(text) if knobs.asks_dense else 0
        return tokens / 1_000_000 * self._settings.embedding_usd_per_million_tokens
