"""Quality: many configurations over many queries, in blocks that share work."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from orchestra_core.observation import Failure, Observation, Query
from orchestra_fiqa_runner.engine.block import Block, candidate_depth

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from orchestra_fiqa_runner.engine.ranking import Ranked
    from orchestra_fiqa_runner.engine.source import IndexSource
    from orchestra_fiqa_runner.knobs import Knobs

_BLOCK = 128
_SIMILARITY_CELLS = 8_000_000
"""Similarities held at once (32 MB): blocks shrink where there are many candidates."""

Answers = list[tuple[tuple[str, ...], tuple[float, ...]]]


class Evaluator:
    """Asks one run's indexes. Holds no state of its own, so threads may share it."""

    def __init__(self, indexes: IndexSource, candidates: int) -> None:
        self._indexes = indexes
        self._candidates = candidates
        self._ids = np.array(indexes.corpus.ids, dtype=object)

    def evaluate(self, knobs: Mapping[str, Knobs], queries: Sequence[Query]) -> Iterator[Observation]:
        """One observation per (configuration, query); `knobs` by config_id.

        Where a block fails, its queries are asked one by one, and those that fail again become
        observations with a failure.
        """
        size = self._block_size(knobs)
        for start in range(0, len(queries), size):
            yield from self._evaluate_block(knobs, queries[start : start + size])

    def _evaluate_block(
        self, knobs: Mapping[str, Knobs], queries: Sequence[Query]
    ) -> Sequence[Observation]:
        try:
            return self._observe(knobs, queries)
        except Exception as error:
            if len(queries) == 1:
                return [_failed(config_id, queries[0], error) for config_id in knobs]
            return [seen for query in queries for seen in self._evaluate_block(knobs, [query])]

    def _observe(self, knobs: Mapping[str, Knobs], queries: Sequence[Query]) -> list[Observation]:
        block = Block(self._indexes, [query.text for query in queries], self._candidates)
        deepest = self._deepest(knobs)
        answers: dict[int, Answers] = {}
        observations = []
        for config_id, knob in knobs.items():
            ranked = block.ranked(knob, deepest[candidate_depth(knob, self._candidates)])
            if id(ranked) not in answers:  # the block keeps `ranked` alive, so ids stay distinct
                answers[id(ranked)] = self._answers(ranked)
            observations += _observations(config_id, queries, answers[id(ranked)], knob.top_k)
        return observations

    def _answers(self, ranked: Ranked) -> Answers:
        ids, scores = self._ids[ranked.documents].tolist(), ranked.scores.tolist()
        return [
            (tuple(row[:length]), tuple(values[:length]))
            for row, values, length in zip(ids, scores, ranked.lengths.tolist(), strict=True)
        ]

    def _deepest(self, knobs: Mapping[str, Knobs]) -> dict[int, int]:
        deepest: dict[int, int] = {}
        for knob in knobs.values():
            depth = candidate_depth(knob, self._candidates)
            deepest[depth] = max(deepest.get(depth, 0), knob.top_k)
        return deepest

    def _block_size(self, knobs: Mapping[str, Knobs]) -> int:
        depth = max((candidate_depth(knob, self._candidates) for knob in knobs.values()), default=1)
        width = min(2 * depth, len(self._ids))
        return max(1, min(_BLOCK, _SIMILARITY_CELLS // width**2))


def _observations(
    config_id: str, queries: Sequence[Query], answers: Answers, top_k: int
) -> list[Observation]:
    return [
        Observation(config_id, query.query_id, ranking[:top_k], scores[:top_k])
        for query, (ranking, scores) in zip(queries, answers, strict=True)
    ]


class FailedQuery(Exception):
    """A request that failed for a reason of its own, such as a target's error code."""

    def __init__(self, reason: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.failure = Failure(reason, message, hint)


def failure_of(error: Exception) -> Failure:
    """Why a request gave no ranking."""
    if isinstance(error, FailedQuery):
        return error.failure
    return Failure(reason=type(error).__name__, message=str(error) or type(error).__name__)


def _failed(config_id: str, query: Query, error: Exception) -> Observation:
    return Observation(config_id, query.query_id, failure=failure_of(error))
