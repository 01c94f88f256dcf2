"""What neighbours say of configurations that scored alike; limits; what forced drops may have cost."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestra_core.statistics.feasibility import (
    mean_exceeds,
    mean_within,
    percentile_exceeds,
    percentile_within,
)
from orchestra_core.statistics.neighbours import coded, equivalence
from orchestra_core.statistics.racing import Eligible, race_step
from orchestra_core.statistics.regret import regret_bound

PARAMETERS = [{"alpha": a / 10, "top_k": k} for a in range(11) for k in (10, 20)]


def field(queries, *, inert):
    """22 configurations; `top_k` does nothing, or as much as alpha."""
    rng = np.random.default_rng(3)
    by_alpha = (rng.random((11, queries)) < 0.5).astype(float).repeat(2, axis=0)
    return by_alpha if inert else (rng.random((22, queries)) < 0.5).astype(float)


def test_a_parameter_that_changes_nothing_is_recognised_after_few_queries():
    scores = field(8, inert=True)
    found = equivalence(scores, scores, coded(PARAMETERS), 0.005)
    assert all(found[i, i + 1] > 0.95 for i in range(0, 22, 2))


def test_a_tie_among_configurations_that_differ_elsewhere_is_luck():
    scores = field(3, inert=False)
    scores[1] = scores[0]
    assert equivalence(scores, scores, coded(PARAMETERS), 0.005)[0, 1] < 0.65


def test_a_difference_in_the_finer_metric_is_a_difference():
    scores, finer = field(6, inert=True), field(6, inert=True)
    finer[1] += 0.01
    assert equivalence(scores, finer, coded(PARAMETERS), 0.005)[0, 1] < 0.65


def test_small_differences_are_equivalent_once_there_are_queries_enough():
    rng = np.random.default_rng(0)
    scores = rng.random((2, 1))[:1].repeat(2, axis=0) + rng.random(5000) * 0.5
    scores[1] += rng.normal(0, 0.01, 5000)
    codes = coded([{"k": 1}, {"k": 2}])
    assert equivalence(scores, scores, codes, 0.005)[0, 1] > 0.95
    assert equivalence(scores, scores, codes, 0.0)[0, 1] == 0.0


@given(st.integers(1, 8), st.integers(1, 9), st.integers(0, 99))
def test_equivalence_is_a_symmetric_probability(rows, queries, seed):
    scores = np.random.default_rng(seed).integers(0, 3, (rows, queries)) / 2
    found = equivalence(scores, scores, coded([{"k": i} for i in range(rows)]), 0.005)
    assert ((found >= 0) & (found <= 1)).all()
    assert (found == found.T).all()
    assert (np.diag(found) == 1).all()


def test_thousands_of_configurations_take_few_matrices_of_memory():
    """5,000 are allowed, and each matrix of their pairs takes 200 MB."""
    parameters = [{"a": a, "b": b} for a in range(50) for b in range(50)]
    scores = np.random.default_rng(0).integers(0, 2, (2500, 4)).astype(float)
    tracemalloc.start()
    found = equivalence(scores, scores, coded(parameters), 0.005)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 4 * found.nbytes


def test_absent_words_and_numbers_have_their_ranks():
    assert coded([{"a": 0.5}, {"a": "off"}, {}, {"a": 0.1}]).tolist() == [[2], [3], [0], [1]]


def test_shapes_must_agree():
    with pytest.raises(ValueError, match="shapes differ"):
        equivalence(np.ones((2, 3)), np.ones((2, 3)), np.ones((3, 1), dtype=np.int64), 0.0)


def test_equivalent_rows_collapse_to_the_cheapest():
    scores = np.tile([1.0, 0.0], (3, 4))
    found = race_step(
        scores, scores, delta=0.05, field=3, keep_at_most=None, alike=np.ones((3, 3)), cheapest=max
    )
    assert (found.survivors, found.equivalent, found.forced) == ((2,), (0, 1), ())


def test_who_breaks_a_limit_proves_nothing():
    scores = np.array([[1.0] * 200, [0.0] * 200])
    eligible = Eligible(np.array([False, True]), np.array([False, True]))
    found = race_step(scores, scores, delta=0.05, field=2, keep_at_most=1, eligible=eligible)
    assert (found.survivors, found.certain) == ((1,), ())


def test_limits_are_broken_beyond_doubt_or_not_at_all():
    slow, mixed = np.full(10, 300.0), np.array([100.0] * 9 + [300.0])
    assert percentile_exceeds(slow, 250, 95, 1e-4)
    assert not percentile_exceeds(mixed, 250, 95, 1e-4)
    assert not percentile_exceeds(np.zeros(0), 250, 95, 1e-4)
    assert mean_exceeds(np.full(5, 2.0), 1.0, 1e-4)
    assert not mean_exceeds(np.array([0.0, 3.0]), 1.0, 1e-4)
    assert not mean_exceeds(np.array([3.0]), 1.0, 1e-4)


def test_limits_are_kept_beyond_doubt_or_not_at_all():
    fast = np.full(200, 5.0)
    assert percentile_within(fast, 250, 95, 1e-4)
    assert not percentile_within(fast[:170], 250, 95, 1e-4)  # 0.95 ** 170 is more than that
    assert percentile_within(fast[:20], 250, 50, 1e-4)
    assert not percentile_within(np.zeros(0), 250, 95, 1e-4)
    assert mean_within(np.full(5, 1.0), 1.0, 1e-4)
    assert not mean_within(np.array([0.0, 1.0]), 0.9, 1e-4)
    assert not mean_within(np.array([0.0]), 1.0, 1e-4)


def test_a_percentile_on_the_limit_is_hardly_ever_called_within():
    rng = np.random.default_rng(2)
    called = [percentile_within(rng.random(90), 0.95, 95, 0.05) for _ in range(4000)]
    assert 0.005 < np.mean(called) <= 0.055


def race_of(rng, spread, sizes):
    """Truth and scores of a field in which some were asked fewer queries than others."""
    truth = rng.normal(0.5, spread, len(sizes))
    difficulty = rng.normal(0, 0.2, max(sizes))
    return truth, [
        np.clip(t + difficulty[:size] + rng.normal(0, 0.15, size), 0, 1)
        for t, size in zip(truth, sizes, strict=True)
    ]


def test_the_regret_bound_holds_and_is_tighter_than_what_each_drop_says_by_itself():
    rng = np.random.default_rng(5)
    sizes = [5] * 30 + [12] * 8 + [60] * 2
    held, bounds = [], []
    for _ in range(200):
        truth, scores = race_of(rng, 0.03, sizes)
        leader = 38 + int(np.argmax([scores[38].mean(), scores[39].mean()]))
        bounds.append(regret_bound(scores, range(38), leader, 0.95))
        held.append(truth[:38].max() - truth[leader] <= bounds[-1])
    assert np.mean(held) >= 0.95
    # Alone, after five queries: 0.15 * sqrt(2 / 5) * 3 = 0.28.
    assert np.median(bounds) < 0.15


def test_the_regret_bound_is_wide_where_nothing_told_anybody_apart():
    alike = [np.full(5, 0.5)] * 20 + [np.full(20, 0.5)]
    apart = [np.full(5, 0.1)] * 20 + [np.concatenate([np.full(5, 0.9), np.full(20, 0.5)])]
    assert regret_bound(alike, range(20), 20, 0.95) > 0.05
    assert regret_bound(apart, range(20), 20, 0.95) < 0.3


def test_a_tie_with_the_leader_is_no_proof_of_a_twin():
    """Nineteen were forced out level with it, and there the race ended: the more queries, the surer."""
    bounds = [regret_bound([np.full(n, 0.5)] * 20, range(19), 19, 0.95) for n in (5, 40, 400)]
    assert bounds[0] > 0.1
    assert sorted(bounds, reverse=True) == bounds
    assert 0 < bounds[2] < 0.005


def test_the_regret_bound_is_the_same_whatever_the_order_of_rows():
    _, scores = race_of(np.random.default_rng(1), 0.05, [5] * 6 + [20] * 2)
    order = [7, 2, 0, 1, 6, 3, 5, 4]
    shuffled = [scores[i] for i in order]
    forced = [order.index(i) for i in range(6)]
    first, second = regret_bound(scores, range(6), 6, 0.95), regret_bound(shuffled, forced, 4, 0.95)
    assert first == pytest.approx(second, abs=0.03)


@pytest.mark.parametrize(("scores", "forced"), [([np.ones(3)], []), ([np.ones(3), np.zeros(0)], [1])])
def test_nothing_to_bound_is_an_error(scores, forced):
    with pytest.raises(ValueError, match="nothing"):
        regret_bound(scores, forced, 0, 0.95)
