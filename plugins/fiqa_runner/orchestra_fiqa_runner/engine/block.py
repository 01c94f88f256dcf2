"""A block of queries on its way through the engine; each piece of work is done once per block.

`evaluate` sends many configurations through one block, so what they have in common is shared.
`probe` makes a new block of one query for every request, so nothing is.
"""

from __future__ import annotations

from collections import defaultdict
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeVar, cast

from orchestra_fiqa_runner.engine.fusion import NOTHING_FOUND, build_pool, fuse
from orchestra_fiqa_runner.engine.ranking import rank_by_score

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable, Sequence

    from orchestra_fiqa_runner.engine.embedding import Vectors
    from orchestra_fiqa_runner.engine.fusion import Found, Pool
    from orchestra_fiqa_runner.engine.hits import Scores
    from orchestra_fiqa_runner.engine.ranking import Ranked
    from orchestra_fiqa_runner.engine.source import IndexSource
    from orchestra_fiqa_runner.knobs import Knobs

T = TypeVar("T")


class Block:
    """Rankings of a few queries for any number of knobs. Belongs to one thread."""

    def __init__(self, indexes: IndexSource, texts: Sequence[str], candidates: int) -> None:
        self.seconds: dict[str, float] = defaultdict(float)
        """Time spent by step: embed, lexical, dense, fusion, diversity."""
        self._indexes = indexes
        self._texts = texts
        self._candidates = candidates
        self._done: dict[Hashable, Any] = {}

    def ranked(self, knobs: Knobs, deepest: int) -> Ranked:
        """At least `knobs.top_k` documents a query, `deepest` where so many were found.

        The first `top_k` are the answer; a greater `deepest` changes nothing in them.
        """
        found = self._found_by(knobs)
        pool = self._pool(knobs)
        fused = self._fused(knobs, pool)
        blend = (*found, knobs.alpha, knobs.fusion, knobs.rrf_k)
        if knobs.mmr == "off":
            key = ("ranked", *blend, deepest)
            return self._once("fusion", key, lambda: rank_by_score(pool, fused, deepest))
        return self._diverse(blend, pool, fused, knobs.mmr, deepest)

    def _diverse(
        self, blend: tuple[Hashable, ...], pool: Pool, fused: Scores, weight: float, deepest: int
    ) -> Ranked:
        from orchestra_fiqa_runner.engine.diversity import rank_by_marginal_relevance, similarities

        vectors = self._indexes.document_vectors()
        alike = self._once("diversity", ("alike", *blend[:2]), lambda: similarities(pool, vectors))
        return self._once(
            "diversity",
            ("diverse", *blend, weight, deepest),
            lambda: rank_by_marginal_relevance(pool, fused, alike, weight, deepest),
        )

    def _fused(self, knobs: Knobs, pool: Pool) -> Scores:
        key = ("fused", *self._found_by(knobs), knobs.alpha, knobs.fusion, knobs.rrf_k)
        return self._once("fusion", key, lambda: fuse(pool, knobs.alpha, knobs.fusion, knobs.rrf_k))

    def _pool(self, knobs: Knobs) -> Pool:
        lexical, dense = self._lexical(knobs), self._dense(knobs)
        return self._once(
            "fusion", ("pool", *self._found_by(knobs)), lambda: build_pool(lexical, dense)
        )

    def _lexical(self, knobs: Knobs) -> Sequence[Found]:
        if not knobs.asks_lexical:
            return [NOTHING_FOUND] * len(self._texts)
        index, depth = self._indexes.lexical(knobs.collection, knobs.k1, knobs.b), self._depth(knobs)
        key = ("lexical", self._found_by(knobs)[0])
        return self._once("lexical", key, lambda: [index.find(text, depth) for text in self._texts])

    def _dense(self, knobs: Knobs) -> Sequence[Found]:
        if not knobs.asks_dense:
            return [NOTHING_FOUND] * len(self._texts)
        index, depth = self._indexes.dense(knobs.collection, knobs.ef_search), self._depth(knobs)
        vectors = self._vectors()
        key = ("dense", self._found_by(knobs)[1])
        return self._once("dense", key, lambda: [index.find(vector, depth) for vector in vectors])

    def _vectors(self) -> Vectors:
        encoder = self._indexes.encoder()
        return self._once("embed", ("vectors",), lambda: encoder.embed(self._texts))

    def _found_by(self, knobs: Knobs) -> tuple[Hashable, Hashable]:
        """What decides the candidates of each side; None for a side that is not asked."""
        depth = self._depth(knobs)
        lexical = (knobs.collection, knobs.k1, knobs.b, depth) if knobs.asks_lexical else None
        dense = (knobs.collection, knobs.ef_search, depth) if knobs.asks_dense else None
        return lexical, dense

    def _depth(self, knobs: Knobs) -> int:
        return candidate_depth(knobs, self._candidates)

    def _once(self, step: str, key: Hashable, compute: Callable[[], T]) -> T:
        if key not in self._done:
            started = perf_counter()
            self._done[key] = compute()
            self.seconds[step] += perf_counter() - started
        return cast("T", self._done[key])


def candidate_depth(knobs: Knobs, candidates: int) -> int:
    """Documents asked of each side: the setting, or `top_k` where that is more."""
    return max(candidates, knobs.top_k)
