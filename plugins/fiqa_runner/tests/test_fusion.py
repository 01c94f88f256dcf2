from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from orchestra_fiqa_runner.engine.diversity import rank_by_marginal_relevance, similarities
from orchestra_fiqa_runner.engine.fusion import NOTHING_FOUND, Found, build_pool, fuse
from orchestra_fiqa_runner.engine.hits import best_hits
from orchestra_fiqa_runner.engine.ranking import rank_by_score

DOCUMENTS = 12
SCORES = st.lists(st.sampled_from([0.0, 0.5, 1.0, 1.5, 2.0]), min_size=DOCUMENTS, max_size=DOCUMENTS)
SIDES = st.lists(
    st.tuples(SCORES, SCORES, st.integers(1, 6), st.integers(1, 6)), min_size=1, max_size=4
)
VECTORS = np.random.default_rng(3).normal(size=(DOCUMENTS, 256)).astype(np.float32)
VECTORS /= np.linalg.norm(VECTORS, axis=1, keepdims=True)


def found(values, depth):
    scores = np.array(values)
    matching = np.flatnonzero(scores > 0)
    return Found(best_hits(matching, scores[matching], depth), scores.__getitem__, 0.0)


def pool_of(sides):
    return build_pool([found(a, m) for a, _, m, _ in sides], [found(b, n) for _, b, _, n in sides])


def rows(ranked):
    return [
        (d[:n].tolist(), s[:n].tolist())
        for d, s, n in zip(ranked.documents, ranked.scores, ranked.lengths.tolist(), strict=True)
    ]


def orders(sides, alpha, fusion, weight, depth):
    pool = pool_of(sides)
    fused = fuse(pool, alpha, fusion, 60)
    alike = similarities(pool, VECTORS)
    return rows(rank_by_score(pool, fused, depth)), rows(
        rank_by_marginal_relevance(pool, fused, alike, weight, depth)
    )


BLEND = (SIDES, st.sampled_from([0.0, 0.3, 0.7, 1.0]), st.sampled_from(["weighted", "rrf"]))


@given(*BLEND, st.sampled_from([0.0, 0.3, 1.0]), st.integers(1, 14))
def test_a_query_ranks_alike_alone_and_in_a_block(sides, alpha, fusion, weight, depth):
    together = orders(sides, alpha, fusion, weight, depth)
    alone = [orders([side], alpha, fusion, weight, depth) for side in sides]
    assert together[0] == [plain[0] for plain, _ in alone]
    assert together[1] == [diverse[0] for _, diverse in alone]


@given(*BLEND, st.sampled_from([0.0, 0.3, 1.0]), st.integers(1, 12))
def test_a_shallow_order_begins_a_deep_one(sides, alpha, fusion, weight, depth):
    shallow = orders(sides, alpha, fusion, weight, depth)
    for short, deep in zip(shallow, orders(sides, alpha, fusion, weight, 14), strict=True):
        assert [d for d, _ in short] == [d[:depth] for d, _ in deep]


@given(*BLEND, st.sampled_from([0.0, 0.3, 1.0]))
def test_orders_hold_each_candidate_once_and_scores_never_rise(sides, alpha, fusion, weight):
    for order in orders(sides, alpha, fusion, weight, 14):
        for (documents, scores), (a, b, m, n) in zip(order, sides, strict=True):
            wanted = set(found(a, m).hits.documents) | set(found(b, n).hits.documents)
            assert sorted(documents) == sorted(wanted)
            assert scores == sorted(scores, reverse=True)
            assert np.isfinite(scores).all()


@given(*BLEND)
def test_no_weight_on_diversity_is_the_order_by_score(sides, alpha, fusion):
    plain, diverse = orders(sides, alpha, fusion, 0.0, 14)
    assert [d for d, _ in plain] == [d for d, _ in diverse]


@given(SCORES, st.integers(1, 14))
def test_best_hits_are_those_of_a_full_sort(values, depth):
    scores = np.array(values)
    hits = best_hits(np.arange(DOCUMENTS), scores, depth)
    full = sorted(range(DOCUMENTS), key=lambda d: (-values[d], d))[:depth]
    assert hits.documents.tolist() == full


def test_weighted_fusion_by_hand():
    left, right = [0.0] * DOCUMENTS, [0.0] * DOCUMENTS
    left[2], left[5], right[5], right[7] = 4.0, 1.0, 0.5, 0.4
    pool = pool_of([(left, right, 6, 6)])
    assert pool.documents.tolist() == [[2, 5, 7]]
    np.testing.assert_allclose(fuse(pool, 0.25, "weighted", 60), [[0.75, 0.75 * 0.25 + 0.25, 0.2]])


def test_reciprocal_rank_fusion_by_hand():
    left, right = [0.0] * DOCUMENTS, [0.0] * DOCUMENTS
    left[2], left[5], right[5], right[7] = 4.0, 1.0, 0.5, 0.4
    fused = fuse(pool_of([(left, right, 6, 6)]), 0.25, "rrf", 60)
    np.testing.assert_allclose(fused, [[0.75 / 61, 0.75 / 62 + 0.25 / 61, 0.25 / 62]])


def test_diversity_passes_over_a_copy():
    vectors = np.eye(3, 256, dtype=np.float32)
    vectors[1] = vectors[0]
    pool = build_pool([found([1.0, 0.9, 0.5], 3)], [NOTHING_FOUND])
    fused = fuse(pool, 0.0, "weighted", 60)
    ranked = rank_by_marginal_relevance(pool, fused, similarities(pool, vectors), 0.5, 3)
    assert ranked.documents.tolist() == [[0, 2, 1]]


def test_a_block_without_any_candidate_gives_empty_rankings():
    pool = build_pool([NOTHING_FOUND] * 2, [NOTHING_FOUND] * 2)
    fused = fuse(pool, 0.5, "weighted", 60)
    assert rank_by_score(pool, fused, 5).lengths.tolist() == [0, 0]
    diverse = rank_by_marginal_relevance(pool, fused, similarities(pool, VECTORS), 0.3, 5)
    assert diverse.lengths.tolist() == [0, 0]
