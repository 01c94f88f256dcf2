"""Latency: every request by itself, end to end, with nothing shared or remembered."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import cycle, islice
from time import perf_counter
from typing import TYPE_CHECKING

from orchestra_core.observation import LatencySample, Query
from orchestra_fiqa_runner.evaluating import failure_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestra_core.runner import Load
    from orchestra_fiqa_runner.asking import Asker
    from orchestra_fiqa_runner.knobs import Knobs


class Prober:
    """Times requests against one run's indexes."""

    def __init__(self, asker: Asker) -> None:
        self._asker = asker

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
        sent = perf_counter()
        try:
            answer = self._asker.ask(knobs, query.text)
        except Exception as error:
            return LatencySample(
                config_id=config_id,
                query_id=query.query_id,
                latency_ms=(perf_counter() - sent) * 1000,
                scheduled_s=sent - started,
                failure=failure_of(error),
            )
        return LatencySample(
            config_id=config_id,
            query_id=query.query_id,
            latency_ms=answer.latency_ms,
            scheduled_s=sent - started,
            cost=answer.cost,
            breakdown_ms=answer.breakdown_ms,
        )
