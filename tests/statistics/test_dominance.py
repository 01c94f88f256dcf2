"""Two objectives: who is dominated beyond doubt, whom no budget forces out, and the knee."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from orchestra_core.statistics.dominance import Burden, dominated_beyond_doubt, front_step
from orchestra_core.statistics.feasibility import no_cheaper
from orchestra_core.statistics.pareto import front, knee
from orchestra_core.statistics.racing import Eligible

RNG = np.random.default_rng


def timed(rng, *means, size=30, spread=0.2):
    return [mean * np.exp(rng.normal(0, spread, size)) for mean in means]


def burden_of(samples, looks=4):
    figures = np.array([np.percentile(s, 95) for s in samples])
    return Burden(figures, samples, field=len(samples), looks=looks)


def step(scores, burden, *, keep=None, alike=None, eligible=None):
    scores = np.asarray(scores, dtype=float)
    return front_step(
        scores,
        scores,
        burden,
        delta=0.05,
        keep_at_most=keep,
        alike=np.eye(len(scores)) if alike is None else alike,
        eligible=None if eligible is None else Eligible(np.array(eligible), np.array(eligible)),
        cheapest=min,
    )


def correct(rng, *rates, size=150):
    return (rng.random((len(rates), size)) < np.array(rates)[:, None]).astype(float)


def test_worse_and_slower_is_dropped_and_worse_but_faster_stays():
    rng = RNG(1)
    found = step(correct(rng, 0.9, 0.3, 0.3), burden_of(timed(rng, 100.0, 400.0, 20.0)))
    assert found.certain == (1,)
    assert found.survivors == (0, 2)


def test_worse_and_no_faster_by_a_tenth_is_dropped_given_many_times():
    rng = RNG(2)
    equal = burden_of(timed(rng, 100.0, 100.0, size=2000))
    assert dominated_beyond_doubt(correct(rng, 0.9, 0.2), equal, 0.05, np.array([True, True])) == [1]
    few = burden_of(timed(rng, 100.0, 100.0, size=10))
    assert dominated_beyond_doubt(correct(rng, 0.9, 0.2), few, 0.05, np.array([True, True])) == []


def test_who_is_on_the_measured_front_is_never_certain_to_go_whatever_is_typical():
    """Typically twice as slow, but steady: the faster one's spikes make its p95 four times as long."""
    rng = RNG(7)
    steady = rng.uniform(45, 50, 400)
    spiky = np.where(np.arange(400) % 10 == 0, 200.0, rng.uniform(20, 25, 400))
    scores, burden = correct(rng, 0.3, 0.9), burden_of([steady, spiky])
    assert sorted(front(list(zip(scores.mean(axis=1), burden.figures, strict=True)))) == [0, 1]
    assert no_cheaper(steady, spiky, 0.1, 1e-6)
    assert dominated_beyond_doubt(scores, burden, 0.05, np.array([True, True])) == []


def test_nothing_is_dropped_where_nothing_was_timed():
    untimed = Burden(np.full(2, np.inf), [np.zeros(0)] * 2, field=2, looks=3)
    assert step(correct(RNG(3), 0.9, 0.1), untimed).certain == ()


def test_who_may_not_lead_dominates_nobody():
    rng = RNG(4)
    found = step(
        correct(rng, 0.9, 0.1), burden_of(timed(rng, 10.0, 500.0)), eligible=[False, True], keep=1
    )
    assert (found.survivors, found.certain, found.forced) == ((1,), (), (0,))


def test_a_true_member_of_the_front_is_hardly_ever_dropped():
    """Three that are on the front in truth, one behind it; asked after every ten queries."""
    wrong, delta = 0, 0.05
    for seed in range(200):
        rng = RNG(seed)
        scores = correct(rng, 0.8, 0.7, 0.5, 0.5, size=60)
        samples = timed(rng, 100.0, 80.0, 60.0, 110.0, size=60)
        for size in range(10, 61, 10):
            burden = burden_of([s[:size] for s in samples], looks=6)
            found = dominated_beyond_doubt(scores[:, :size], burden, delta, np.ones(4, dtype=bool))
            wrong += bool({0, 1, 2} & set(found))
    assert wrong / 200 <= delta


@given(
    arrays(float, (6, 4), elements=st.floats(0, 1)), st.lists(st.floats(1, 9), min_size=6, max_size=6)
)
def test_no_budget_forces_out_the_front(scores, figures):
    burden = Burden(np.array(figures), [np.zeros(0)] * 6, field=6, looks=3)
    found = step(scores, burden, keep=1)
    measured = set(front(list(zip(scores.mean(axis=1), figures, strict=True))))
    assert set(found.survivors) == measured
    assert set(found.survivors) | set(found.forced) == set(range(6))


def test_twins_on_the_front_collapse_to_the_cheapest():
    scores, burden = [[0.5] * 9, [0.5] * 9], burden_of(timed(RNG(5), 30.0, 10.0))
    assert step(scores, burden, alike=np.ones((2, 2))).equivalent == (1,)
    assert step(scores, burden, alike=np.full((2, 2), 0.9)).equivalent == ()


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ([100.0] * 5, [100.0] * 5, True),  # exact figures need no margin of error
        ([95.0] * 5, [100.0] * 5, True),  # cheaper by less than a tenth
        ([80.0] * 5, [100.0] * 5, False),
        ([0.0] * 5, [0.0] * 5, True),  # what costs nothing is not cheaper than nothing
        ([0.0] * 5, [1.0] * 5, False),
        ([100.0], [1.0] * 5, False),  # one request says nothing
    ],
)
def test_no_cheaper(one, other, expected):
    assert no_cheaper(np.array(one), np.array(other), 0.1, 0.01) is expected


def test_no_cheaper_errs_as_often_as_it_may():
    rng = RNG(6)
    pairs = (timed(rng, 100.0, 110.0 * 1.0001, size=12) for _ in range(2000))
    assert np.mean([no_cheaper(one, other, 0.1, 0.05) for one, other in pairs]) <= 0.06


@pytest.mark.parametrize(
    ("points", "expected"),
    [
        ([(0.5, 1.0)], 0),
        ([(0.5, 1.0), (0.9, 9.0)], 1),  # two have no knee: the higher quality
        ([(0.5, 1.0), (0.85, 2.0), (0.9, 9.0)], 1),
        ([(0.5, 1.0), (0.55, 8.0), (0.9, 9.0)], 2),  # it bends the other way
    ],
)
def test_knee(points, expected):
    assert knee(points) == expected
