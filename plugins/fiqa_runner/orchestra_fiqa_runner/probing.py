"""Latency: every request by itself, end to end, with nothing shared or remembered."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from time import perf_counter, thread_time
from typing import TYPE_CHECKING

from orchestra_core.observation import Failure, LatencySample, Query
from orchestra_fiqa_runner.engine.block import Block
from orchestra_fiqa_runner.evaluating import failure_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestra_core.runner import Load
    from orchestra_fiqa_runner.engine.indexes import Indexes
    from orchestra_fiqa_runner.knobs import Knobs
    from orchestra_fiqa_runner.settings import FiqaSettings


class Prober:
    """Times requests against one run's indexes."""

    def __init__(self, indexes: Indexes, settings: FiqaSettings) -> None:
        self._indexes = indexes
        self._settings = settings

    def probe(
        self, config_id: str, knobs: Knobs, queries: Sequence[Query], load: Load
    ) -> list[LatencySample]:
        """One sample per query, in the order given.

        `load.concurrency` clients each send their next request when the last one is answered, so a
        request's scheduled send is the moment its client is free. The first `load.warmup` requests
        cycle through the queries and are not reported.
        """
        with ThreadPoolExecutor(max_workers=max(1, load.concurrency)) as clients:
            for query in islice(cycle(queries), load.warmup):
                clients.submit(self._ask, config_id, knobs, query, 0.0)
            clients.submit(int).result()
            started = perf_counter()
            return list(clients.map(lambda query: self._ask(config_id, knobs, query, started), queries))

    def _ask(self, config_id: str, knobs: Knobs, query: Query, started: float) -> LatencySample:
        sent, cpu, failure = perf_counter(), thread_time(), None
        block = Block(self._indexes, [query.text], self._settings.candidates)
        try:
            self._answer(block, knobs)
        except Exception as error:
            failure = failure_of(error)
        seconds, cpu_seconds = perf_counter() - sent, thread_time() - cpu
        return LatencySample(
            config_id=config_id,
            query_id=query.query_id,
            latency_ms=seconds * 1000,
            scheduled_s=sent - started,
            cost=self._cost(knobs, query, cpu_seconds, failure),
            breakdown_ms=_milliseconds(block.seconds),
            failure=failure,
        )

    def _answer(self, block: Block, knobs: Knobs) -> list[str]:
        ranked = block.ranked(knobs, knobs.top_k)
        found = ranked.documents[0, : ranked.lengths[0]].tolist()
        return [self._indexes.corpus.ids[document] for document in found]

    def _cost(
        self, knobs: Knobs, query: Query, cpu_seconds: float, failure: Failure | None
    ) -> float | None:
        """USD: CPU time of this thread, and the query's tokens where it was embedded."""
        if failure is not None:
            return None
        tokens = self._indexes.encoder().count_tokens(query.text) if knobs.asks_dense else 0
        cpu = cpu_seconds / 3600 * self._settings.cpu_usd_per_hour
        return cpu + tokens / 1_000_000 * self._settings.embedding_usd_per_million_tokens


def _milliseconds(seconds: Mapping[str, float]) -> dict[str, float]:
    return {step: value * 1000 for step, value in seconds.items()}
