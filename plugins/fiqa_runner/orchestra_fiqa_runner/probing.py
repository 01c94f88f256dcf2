"""Latency: every request by itself, end to end, with nothing shared or remembered."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from time import thread_time
from typing import TYPE_CHECKING

from orchestra_core.observation import Answer, LatencySample, Query
from orchestra_core.scheduling.load import drive
from orchestra_fiqa_runner.engine.block import Block

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from orchestra_core.runner import Load
    from orchestra_fiqa_runner.engine.indexes import Indexes
    from orchestra_fiqa_runner.knobs import Knobs
    from orchestra_fiqa_runner.settings import FiqaSettings


class Prober:
    """Asks one run's indexes, request by request."""

    def __init__(self, indexes: Indexes, settings: FiqaSettings) -> None:
        self._indexes = indexes
        self._settings = settings

    def probe(
        self, config_id: str, knobs: Knobs, queries: Sequence[Query], load: Load
    ) -> Iterator[LatencySample]:
        """One sample per query, as they are answered."""
        texts = {query.query_id: query.text for query in queries}
        for sample in drive(config_id, queries, load, partial(self._ask, knobs)):
            if sample.failure is None and knobs.asks_dense:  # counted here, where no clock runs
                tokens = self._indexes.encoder().count_tokens(texts[sample.query_id])
                yield replace(sample, cost=(sample.cost or 0.0) + self._embedding(tokens))
            else:
                yield sample

    def _ask(self, knobs: Knobs, query: Query) -> Answer:
        cpu = thread_time()
        block = Block(self._indexes, [query.text], self._settings.candidates)
        self._answer(block, knobs)
        cost = (thread_time() - cpu) / 3600 * self._settings.cpu_usd_per_hour
        return Answer(cost=cost, breakdown_ms=_milliseconds(block.seconds))

    def _answer(self, block: Block, knobs: Knobs) -> list[str]:
        ranked = block.ranked(knobs, knobs.top_k)
        found = ranked.documents[0, : ranked.lengths[0]].tolist()
        return [self._indexes.corpus.ids[document] for document in found]

    def _embedding(self, tokens: int) -> float:
        """USD for embedding so many tokens."""
        return tokens / 1_000_000 * self._settings.embedding_usd_per_million_tokens


def _milliseconds(seconds: Mapping[str, float]) -> dict[str, float]:
    return {step: value * 1000 for step, value in seconds.items()}
