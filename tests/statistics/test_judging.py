"""Intervals that cover, and verdicts over looks that keep their error; on arrays, without a run."""

from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestra_core.statistics.judging import Arms, Rules, judge, last_look
from orchestra_core.statistics.likelihood import likelihood_interval
from orchestra_core.statistics.paired import (
    holm,
    mean_interval,
    paired_difference,
    sign_flip_p_value,
)
from orchestra_core.statistics.spending import detectable, spend

LOOKS = (200, 324)


def sparse(rng, queries, wins, losses, of=648):
    """Differences of 0/1 scores of which a few in 648 are not zero."""
    population = np.zeros(of)
    population[:wins], population[wins : wins + losses] = 1.0, -1.0
    return population[rng.integers(0, of, queries)], population.mean()


@pytest.mark.parametrize(("wins", "losses"), [(4, 4), (14, 2), (40, 20), (100, 85)])
def test_the_interval_covers_even_where_few_queries_differ(wins, losses):
    rng = np.random.default_rng(11)
    held = 0
    for _ in range(300):
        sample, truth = sparse(rng, 324, wins, losses)
        low, high = mean_interval(sample)
        held += low <= truth <= high
    assert held / 300 >= 0.92  # 93 % less two standard errors of 300 repetitions would be 0.90


def test_one_query_that_differs_does_not_rule_out_the_other_side():
    """A bootstrap of 323 zeros and a one never shows a loss; that none was seen proves little."""
    low, high = mean_interval(np.r_[np.zeros(323), 1.0])
    assert low < -0.001
    assert high > 0.01


@settings(deadline=None, max_examples=30)
@given(
    st.lists(st.sampled_from([-1.0, -0.5, 0.0, 0.25, 1.0]), min_size=2, max_size=40), st.floats(0.1, 9)
)
def test_the_interval_holds_the_mean_mirrors_and_scales(values, scale):
    found = np.array(values)
    if np.ptp(found) == 0:
        return
    low, high = likelihood_interval(found)
    assert -1 <= low <= found.mean() <= high <= 1
    assert likelihood_interval(-found) == pytest.approx((-high, -low), abs=1e-6)
    scaled = likelihood_interval(found * scale, span=scale)
    assert scaled == pytest.approx((low * scale, high * scale), abs=1e-6 * scale)


def test_random_flips_agree_with_all_flips():
    rng = np.random.default_rng(4)
    few = rng.normal(0.2, 0.5, 13)
    padded = np.r_[few, np.full(1, 1e-7)]  # one more than is counted out
    assert sign_flip_p_value(padded) == pytest.approx(sign_flip_p_value(few), abs=0.015)


@pytest.mark.parametrize("seed", range(40))
def test_interval_and_p_value_agree(seed):
    rng = np.random.default_rng(seed)
    difference = rng.choice([-1.0, 0.0, 1.0], 40, p=[0.08, 0.7, 0.22])
    found = paired_difference(np.zeros(40), difference)
    if found.p_value > 0.05:
        assert found.ci_low <= 0 <= found.ci_high


def arms(difference):
    return Arms({"m": np.zeros(difference.size)}, {"m": difference})


def verdict(difference, looks=LOOKS):
    errors = spend(0.05, looks)
    rules = Rules()
    return last_look(judge(arms(difference[:n]), rules, e) for n, e in zip(looks, errors, strict=True))


def test_a_clear_difference_takes_one_look_and_a_small_one_two():
    rng = np.random.default_rng(2)
    count, judgement = verdict(rng.normal(0.3, 0.3, 324).clip(-1, 1))
    assert (count, judgement.settled.kind, judgement.queries) == (1, "win", 200)
    count, judgement = verdict(rng.normal(0.01, 0.3, 324).clip(-1, 1))
    assert (count, judgement.queries) == (2, 324)


def test_arms_that_are_alike_are_seldom_called_different():
    rng = np.random.default_rng(3)
    called = 0
    for _ in range(200):
        difference = rng.choice([-1.0, 1.0], 324) * (rng.random(324) < 0.1)
        called += verdict(difference)[1].settled.kind in {"win", "regression"}
    assert called <= 18  # 5 % of 200, and 2.6 standard errors


def test_no_later_look_is_taken_than_needed():
    taken = []

    def looks():
        for queries in (50, 100):
            taken.append(queries)
            yield judge(arms(np.r_[np.full(queries - 1, 0.5), 0.4]), Rules(), 0.025)

    assert last_look(looks())[0] == 1
    assert taken == [50]


def test_p_values_answer_for_all_looks():
    """At a look that may spend a tenth of the error, a p-value counts ten times."""
    rng = np.random.default_rng(5)
    both = arms(rng.normal(0.08, 0.3, 60).clip(-1, 1))
    alone = judge(both, Rules(confidence=0.95), 0.05).rows[0]
    early = judge(both, Rules(confidence=0.95), 0.005).rows[0]
    assert alone.p_value == pytest.approx(sign_flip_p_value(both.difference))
    assert early.p_value == pytest.approx(min(1.0, 10 * alone.p_value))
    assert early.ci_low < alone.ci_low


@pytest.mark.parametrize("seed", range(8))
def test_a_win_and_its_p_value_agree_whatever_else_is_measured(seed):
    """The objective needs no share of the error for metrics that stand behind it."""
    rng = np.random.default_rng(seed)
    challenger = {name: rng.normal(0.1, 0.3, 60).clip(-1, 1) for name in ("m", "n", "o")}
    both = Arms(dict.fromkeys(challenger, np.zeros(60)), challenger)
    judgement = judge(both, Rules(), 0.05)
    first, *others = (row.p_value for row in judgement.rows)
    assert first == pytest.approx(sign_flip_p_value(challenger["m"]))
    assert (judgement.settled.kind == "win") == (first <= 0.05)
    alone = [sign_flip_p_value(challenger[name]) for name in ("n", "o")]
    assert others == pytest.approx([max(first, p_value) for p_value in holm(alone)])


def test_what_stands_exactly_at_zero_may_still_be_settled_by_another_look():
    """Nothing says how many queries it takes; those that are left are asked all the same."""
    even = np.r_[np.ones(5), -np.ones(5), np.zeros(190)]
    for difference in (even, np.zeros(200)):
        judgement = judge(arms(difference), Rules(epsilon=0.0), 0.0126)
        assert (judgement.settled.kind, judgement.prospect.queries_needed) == ("inconclusive", None)
        assert not judgement.is_final


def test_queries_needed_are_those_that_the_test_needs_too():
    """Where the interval alone excludes zero it is stretched to it, and one query more is no answer."""
    difference = np.r_[np.ones(7), -np.ones(1), np.zeros(192)]
    judgement = judge(arms(difference), Rules(epsilon=0.0), 0.05)
    p_value = judgement.rows[0].p_value
    assert mean_interval(difference)[0] > 0
    assert (judgement.settled.kind, round(p_value, 3)) == ("inconclusive", 0.070)
    ratio = (1.959964 / NormalDist().inv_cdf(1 - p_value / 2)) ** 2
    assert judgement.prospect.queries_needed == pytest.approx(200 * ratio, abs=1)
    one = judge(arms(np.r_[1.0, np.zeros(199)]), Rules(epsilon=0.0), 0.05)
    assert (one.rows[0].p_value, one.prospect.queries_needed) == (1.0, None)


def test_queries_needed_go_by_the_p_value_before_it_was_adjusted_for_the_looks():
    """3 wins and 2 losses are as alike as can be; at the last look that is capped to 1 and divided."""
    difference = np.r_[np.ones(3), -np.ones(2), np.zeros(195)]
    for error in (0.0126, 0.0374, 0.05):
        judgement = judge(arms(difference), Rules(epsilon=0.0), error)
        assert judgement.rows[0].p_value == 1.0
        assert judgement.prospect.queries_needed is None
    near = np.r_[
        np.ones(6), -np.ones(3), np.zeros(191)
    ]  # p = 0.51, of which 0.0126 may spend a quarter
    needed = judge(arms(near), Rules(epsilon=0.0), 0.0126).prospect.queries_needed
    ratio = NormalDist().inv_cdf(1 - 0.0063) / NormalDist().inv_cdf(1 - sign_flip_p_value(near) / 2)
    assert needed == pytest.approx(200 * ratio**2, abs=1)


def test_what_could_have_been_detected():
    """z(0.975) + z(0.8) = 2.80 standard errors, the textbook's."""
    assert detectable(1.96, 0.05) == pytest.approx(2.80, abs=0.01)
    assert detectable(1.0, 0.05, power=0.5) == pytest.approx(1.0)
