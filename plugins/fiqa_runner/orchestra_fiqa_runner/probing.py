"""Latency: every request by itself, end to end, with nothing shared or remembered."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from orchestra_core.observation import Answer, LatencySample, Query
from orchestra_core.scheduling.load import drive
from orchestra_fiqa_runner.evaluating import failure_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from orchestra_core.runner import Load
    from orchestra_fiqa_runner.asking import Asker
    from orchestra_fiqa_runner.knobs import Knobs


class Prober:
    """Times requests against one run's indexes."""

    def __init__(self, asker: Asker) -> None:
        self._asker = asker

    def probe(
        self, config_id: str, knobs: Knobs, queries: Sequence[Query], load: Load
    ) -> Iterator[LatencySample]:
        """One sample per query, as they are answered."""
        texts = {query.query_id: query.text for query in queries}
        for sample in drive(config_id, queries, load, partial(self._ask, knobs)):
            if sample.failure is not None:
                yield sample
                continue
            # Tokens are counted here, where no clock runs.
            embedding = self._asker.embedding_price(knobs, texts[sample.query_id])
            yield replace(sample, cost=(sample.cost or 0.0) + embedding)

    def _ask(self, knobs: Knobs, query: Query) -> Answer:
        try:
            found = self._asker.search(knobs, query.text)
        except Exception as error:
            return Answer(failure=failure_of(error))
        return Answer(cost=found.cost, breakdown_ms=found.breakdown_ms)
