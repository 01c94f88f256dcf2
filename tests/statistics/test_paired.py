"""Paired differences, Holm, spending: against plain computations and published cases."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from orchestra_core.errors import MisalignedQueries, TooFewQueries
from orchestra_core.statistics.paired import holm, paired_difference, percentile_difference
from orchestra_core.statistics.percentiles import percentile_estimates, resampled_stretches
from orchestra_core.statistics.spending import queries_needed, spend

QUICK = settings(max_examples=25, deadline=None)
SCORES = st.integers(2, 40).flatmap(
    lambda n: st.tuples(*[arrays(np.float64, n, elements=st.sampled_from([0.0, 0.25, 0.5, 1.0]))] * 2)
)


def exact_sign_flip(difference):
    """Every way of flipping signs: the share whose mean is at least as far from zero."""
    observed = abs(difference.mean())
    flips = itertools.product((1, -1), repeat=difference.size)
    means = [abs((difference * flip).mean()) for flip in map(np.array, flips)]
    return np.mean([mean >= observed - 1e-12 for mean in means])


@pytest.mark.parametrize("seed", range(5))
def test_small_samples_have_the_exact_p_value(seed):
    rng = np.random.default_rng(seed)
    baseline, challenger = rng.random(9), rng.random(9)
    found = paired_difference(baseline, challenger)
    assert found.delta == pytest.approx(float(np.mean(challenger - baseline)))
    assert found.p_value == pytest.approx(exact_sign_flip(challenger - baseline), abs=1e-9)


def test_the_interval_is_near_the_textbooks_for_plain_data():
    rng = np.random.default_rng(7)
    difference = rng.normal(0.1, 0.2, 400)
    found = paired_difference(np.zeros(400), difference)
    error = difference.std(ddof=1) / 20
    assert found.ci_low == pytest.approx(difference.mean() - 1.96 * error, abs=0.1 * error)
    assert found.ci_high == pytest.approx(difference.mean() + 1.96 * error, abs=0.1 * error)


@QUICK
@given(SCORES)
def test_an_interval_holds_the_difference_and_is_never_nan(pair):
    baseline, challenger = pair
    found = paired_difference(baseline, challenger)
    assert found.ci_low <= found.delta + 1e-9
    assert found.delta <= found.ci_high + 1e-9
    assert 0 < found.p_value <= 1


@QUICK
@given(SCORES)
def test_arms_can_be_exchanged(pair):
    there, back = paired_difference(*pair), paired_difference(*pair[::-1])
    assert there.delta == pytest.approx(-back.delta)
    assert there.p_value == pytest.approx(back.p_value, abs=0.02)


def test_the_same_seed_gives_the_same_interval():
    rng = np.random.default_rng(1)
    pair = rng.random(50), rng.random(50)
    assert paired_difference(*pair, seed=3) == paired_difference(*pair, seed=3)


def test_identical_arms_leave_room_for_queries_not_seen():
    few, many = np.full(10, 0.4), np.full(1000, 0.4)
    narrow, wide = paired_difference(many, many), paired_difference(few, few)
    assert (wide.delta, wide.p_value) == (0, 1.0)
    # None of 10 queries differed; up to 31 % of all could (Clopper and Pearson, exact).
    assert (wide.ci_low, wide.ci_high) == pytest.approx((-0.3085, 0.3085), abs=1e-4)
    assert narrow.ci_high < 0.004


def test_costs_that_never_differ_have_no_width():
    found = paired_difference(np.full(5, 1e-6), np.full(5, 1e-6), span=None)
    assert (found.ci_low, found.ci_high) == (0, 0)


def test_arms_that_differ_alike_everywhere():
    found = paired_difference(np.zeros(5), np.full(5, 0.5))
    assert found.ci_low < 0
    assert 0.5 < found.ci_high <= 1
    assert found.p_value == exact_sign_flip(np.full(5, 0.5))


@pytest.mark.parametrize(("n", "times"), [(200, 1999), (4000, 1999), (20_000, 400), (100_000, 399)])
def test_a_long_series_is_resampled_less_often(n, times):
    """A step of a search over rates must not wait for its interval."""
    rng = np.random.default_rng(1)
    assert sum(len(batch) for batch in resampled_stretches(n, rng)) == times


def test_the_interval_of_a_long_series_is_near_the_normal_one():
    """Of the median of n normal values: 1.96 · √(π/2) / √n either way."""
    values = np.random.default_rng(3).normal(size=20_000)
    (median,) = percentile_estimates(values, [50])
    width = 1.96 * np.sqrt(np.pi / 2 / values.size)
    assert median.ci_high - median.value == pytest.approx(width, rel=0.2)
    assert median.value - median.ci_low == pytest.approx(width, rel=0.2)


@pytest.mark.parametrize("compare", [paired_difference, lambda a, b: percentile_difference(a, b, 95)])
def test_arms_that_cannot_be_paired(compare):
    with pytest.raises(MisalignedQueries, match="2 and 3"):
        compare(np.zeros(2), np.zeros(3))
    with pytest.raises(TooFewQueries):
        compare(np.zeros(1), np.ones(1))


def test_a_wider_confidence_gives_a_wider_interval():
    rng = np.random.default_rng(1)
    pair = rng.random(60), rng.random(60)
    narrow, wide = (paired_difference(*pair, confidence=c) for c in (0.8, 0.99))
    assert wide.ci_low < narrow.ci_low < narrow.ci_high < wide.ci_high


def test_percentiles_of_a_shifted_arm():
    rng = np.random.default_rng(1)
    baseline = rng.random(200) * 10
    found = percentile_difference(baseline, baseline + 3.0, 95)
    assert found.delta == pytest.approx(3.0)
    assert found.ci_low == pytest.approx(3.0)
    assert found.ci_high == pytest.approx(3.0)
    assert found.p_value is None


# Holm (1979): 0.01*4, 0.013*3 (raised to 0.04), 0.03*2, 0.04 (raised to 0.06).
@pytest.mark.parametrize(
    ("p_values", "adjusted"),
    [
        ([0.01, 0.04, 0.03, 0.013], [0.04, 0.06, 0.06, 0.04]),
        ([0.5, 0.5], [1.0, 1.0]),
        ([0.02], [0.02]),
        ([], []),
    ],
)
def test_holm_known_values(p_values, adjusted):
    assert holm(p_values) == pytest.approx(adjusted)


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_never_lowers_never_reorders_and_stays_a_probability(p_values):
    adjusted = holm(p_values)
    assert all(a >= p for a, p in zip(adjusted, p_values, strict=True))
    assert all(a <= 1 for a in adjusted)
    bonferroni = [min(1.0, p * len(p_values)) for p in p_values]
    assert all(a <= b + 1e-12 for a, b in zip(adjusted, bonferroni, strict=True))
    order = sorted(range(len(p_values)), key=p_values.__getitem__)
    assert [adjusted[i] for i in order] == sorted(adjusted)


@given(st.floats(0.001, 0.3), st.lists(st.integers(1, 1000), min_size=1, max_size=5, unique=True))
def test_spending_adds_up_to_alpha(alpha, looks):
    spent = spend(alpha, sorted(looks))
    assert len(spent) == len(looks)
    assert sum(spent) == pytest.approx(alpha)
    assert all(part >= 0 for part in spent)


def test_early_looks_spend_little():
    """O'Brien-Fleming-type spending at half the sample: 2(1 - Phi(1.96 * sqrt 2)) = 0.0056."""
    first, last = spend(0.05, [100, 200])
    assert first == pytest.approx(0.0056, abs=1e-4)
    assert last == pytest.approx(0.05 - first)


@pytest.mark.parametrize(
    ("delta", "low", "high", "epsilon", "needed"),
    [
        (0.1, -0.1, 0.3, 0.005, 400),  # twice too wide: four times the queries
        (0.1, -0.02, 0.4, 0.005, 144),  # only the arm towards zero matters for excluding it
        (-0.1, -0.4, 0.02, 0.005, 144),
        (0.0, -0.02, 0.02, 0.01, 400),  # to lie within epsilon
        (0.0, -0.02, 0.02, 0.0, None),  # no sample tells zero from zero
        (0.1, 0.05, 0.2, 0.005, 101),  # settled by the interval, held up by the test: one more at least
    ],
)
def test_queries_needed(delta, low, high, epsilon, needed):
    found = queries_needed(delta, low, high, 100, epsilon)
    assert found == needed if needed is None else found == pytest.approx(needed, abs=1)


def test_a_look_too_early_to_resolve_gets_nothing():
    shares = spend(0.05, [200, 8000])
    assert shares == [0.0, pytest.approx(0.05)]


@pytest.mark.parametrize(("differing", "shift"), [(0.02, 0.5), (0.04, 0.5), (0.1, 0.7), (0.3, 0.6)])
def test_intervals_cover_where_few_queries_differ(differing, shift):
    """Sparse differences of +1 and -1: the truth lies within at least 94 of 100 intervals."""
    rng, queries, repetitions = np.random.default_rng(7), 200, 300
    truth = differing * (2 * shift - 1)
    covered = 0
    for _ in range(repetitions):
        signs = np.where(rng.random(queries) < shift, 1.0, -1.0)
        difference = np.where(rng.random(queries) < differing, signs, 0.0)
        found = paired_difference(np.zeros(queries), difference)
        covered += found.ci_low - 1e-12 <= truth <= found.ci_high + 1e-12
    assert covered / repetitions >= 0.94 - 2 * (0.95 * 0.05 / repetitions) ** 0.5


def test_interval_and_test_never_contradict_each_other():
    difference = np.array([1.0] * 3 + [0.0] * 321)
    found = paired_difference(np.zeros(324), difference)
    assert found.p_value == 0.25
    assert found.ci_low <= 0 < found.ci_high
