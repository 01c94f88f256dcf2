"""Racing, fronts, rankings, verdicts: what may be dropped, and what is best."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from orchestra_core.builtin.planner import rung_sizes
from orchestra_core.fields import Margin
from orchestra_core.report import MetricDifference
from orchestra_core.statistics.pareto import front
from orchestra_core.statistics.racing import Eligible, beaten_beyond_doubt, race_step, room
from orchestra_core.statistics.ranking import Standing, best
from orchestra_core.statistics.verdict import Second, settle

MATRICES = arrays(
    np.float64,
    array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=12),
    elements=st.sampled_from([0.0, 0.5, 1.0]),
)


def step(scores, keep_at_most=None, delta=0.05, finer=None):
    finer = scores if finer is None else finer
    return race_step(scores, finer, delta=delta, field=len(scores), keep_at_most=keep_at_most)


def limited(*within):
    """Rows that keep the limits for certain, or do not even as measured."""
    return Eligible(np.array(within), np.array(within))


# -- racing -----------------------------------------------------------------------------------------


@given(MATRICES, st.none() | st.integers(0, 14))
def test_a_step_parts_the_field_into_three(scores, keep_at_most):
    found = step(scores, keep_at_most)
    everyone = [*found.survivors, *found.certain, *found.forced]
    assert sorted(everyone) == list(range(len(scores)))
    assert found.survivors
    if keep_at_most is not None:
        assert len(found.survivors) <= max(1, keep_at_most)
    else:
        assert not found.forced


@given(MATRICES, st.none() | st.integers(1, 14))
def test_survivors_come_best_first_and_the_leader_stays(scores, keep_at_most):
    means = scores.mean(axis=1)
    survivors = step(scores, keep_at_most).survivors
    assert [means[i] for i in survivors] == sorted((means[i] for i in survivors), reverse=True)
    assert survivors[0] == int(np.argmax(means))


@given(MATRICES)
def test_copies_of_the_leader_are_never_beaten(scores):
    leader = scores[int(scores.mean(axis=1).argmax())]
    doubled = np.vstack([scores, leader, leader])
    beaten = beaten_beyond_doubt(doubled, 0.2, len(doubled))
    assert not [i for i in beaten if (doubled[i] == leader).all()]


@given(MATRICES)
def test_distinct_rows_stay_before_any_copy(scores):
    doubled = np.vstack([scores, scores])
    same = (doubled[:, None] == doubled[None]).all(axis=2).astype(float)
    distinct = len(np.unique(scores, axis=0))
    found = race_step(
        doubled, doubled, delta=1e-9, field=len(doubled), keep_at_most=distinct, alike=same
    )
    kept = doubled[list(found.survivors)]
    assert found.equivalent or found.certain
    assert not found.forced
    if not found.certain:
        assert len(np.unique(kept, axis=0)) == len(np.unique(scores, axis=0))


def test_a_hopeless_row_is_dropped_for_certain_once_there_are_queries_enough():
    scores = np.array([[1.0, 0.0]]).repeat(200, axis=1).reshape(2, 200)
    assert step(scores).certain == (1,)
    assert step(scores[:, :3]).certain == ()


def test_no_difference_is_no_evidence_however_long():
    assert step(np.tile([1.0, 0.0], (3, 5000))).certain == ()


def test_the_finer_metric_orders_what_the_objective_ties_but_proves_nothing():
    tied = np.ones((3, 400))
    finer = np.array([[0.1], [0.9], [0.5]]).repeat(400, axis=1)
    assert step(tied, finer=finer).survivors == (1, 2, 0)
    assert step(tied, finer=finer).certain == ()
    assert step(tied, 1, finer=finer).survivors == (1,)


@pytest.mark.parametrize("delta", [0.1, 0.3])
def test_the_true_best_is_rarely_dropped(delta):
    """Asked after every rung, as the race does; all rows are equally good, so any drop is wrong."""
    rng = np.random.default_rng(20251107)
    wrong = 0
    for _ in range(300):
        scores = rng.integers(0, 2, (5, 160)).astype(float)
        looks = (20, 40, 80, 160)
        wrong += any(0 in beaten_beyond_doubt(scores[:, :n], delta, 5) for n in looks)
    assert wrong / 300 <= delta


def test_a_much_better_row_beats_the_field_soon():
    rng = np.random.default_rng(1)
    scores = (rng.random((6, 100)) < np.array([[0.9]] + [[0.2]] * 5)).astype(float)
    assert set(step(scores).certain) == {1, 2, 3, 4, 5}


@pytest.mark.parametrize(
    ("left", "blocks", "kept"),
    [
        (1200, [20, 30, 45], 20),  # all can be reached: a third each
        (1200, [20, 30, 450], 30),  # the last rung takes more than a third for two: half each
        (100, [60], 2),  # not even the next one: two go as far as they come
        (0, [20, 30], 2),
    ],
)
def test_what_is_left_is_spread_over_the_rungs_that_two_can_reach(left, blocks, kept):
    assert room(left, blocks) == kept


@given(st.integers(2, 50), st.integers(1, 700))
def test_a_whole_budget_drops_nobody(field, sample):
    blocks = [int(block) for block in np.diff(rung_sizes(sample, 1.0))]
    for rung in range(len(blocks)):
        assert room(field * sum(blocks[rung:]), blocks[rung:]) >= field


@given(st.integers(0, 5000), st.lists(st.integers(1, 400), min_size=1, max_size=8))
def test_nothing_is_saved_for_a_rung_out_of_reach(left, blocks):
    found = room(left, blocks)
    assert found >= max(2, left // len(blocks) // blocks[0])
    assert found == 2 or found * blocks[0] <= left


# -- the front --------------------------------------------------------------------------------------

POINTS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=12)


def brute_force_front(points):
    def beats(a, b):
        return a[0] >= b[0] and a[1] <= b[1] and a != b

    return {i for i, p in enumerate(points) if not any(beats(q, p) for q in points)}


@given(POINTS)
def test_the_front_is_what_nobody_beats(points):
    found = front([(float(q), float(t)) for q, t in points])
    assert set(found) == brute_force_front(points)
    assert len(set(found)) == len(found)
    assert [points[i][1] for i in found] == sorted(points[i][1] for i in found)


# -- ranking ----------------------------------------------------------------------------------------


def pick(*standings, material_ms=5.0, material_share=0.1):
    made = [Standing(f"c{i}", *s) for i, s in enumerate(standings)]
    return best(made, material_ms=material_ms, material_share=material_share).config_id


@pytest.mark.parametrize(
    ("standings", "chosen"),
    [
        ([(0.5, 0.9, 1.0, 1.0), (0.6, 0.1, 99.0, 9.0)], "c1"),  # quality above all
        ([(0.5, 0.0, 20.0, 1.0), (0.5, 0.0, 10.0, 9.0)], "c1"),  # then latency
        ([(0.5, 0.0, 12.0, 9.0), (0.5, 0.0, 10.0, 1.0)], "c1"),  # 2 ms are no difference: then cost
        ([(0.5, 0.0, 12.0, 1.0), (0.5, 0.0, 10.0, 1.0)], "c0"),  # then plan order
        ([(0.5, 0.1, 12.0, 1.0), (0.5, 0.2, 10.0, 1.0)], "c1"),  # but finer quality before that
        ([(0.5, 0.0, 10.0, 3.9e-9), (0.5, 0.0, 10.0, 3.5e-9)], "c0"),  # CPU time is no better known
        ([(0.5, 0.0, 10.0, 3e-6), (0.5, 0.0, 10.0, 1e-6)], "c1"),
        ([(0.5, 0.0, None, None), (0.5, 0.0, None, None)], "c0"),
        ([(0.5, 0.0, None, 1.0), (0.5, 0.0, 80.0, 1.0)], "c1"),  # what was measured is preferred
        ([(0.5, 0.0, 100.0, 1.0), (0.5, 0.0, 92.0, 1.0)], "c0"),  # 8 ms of 92: within a tenth
    ],
)
def test_best(standings, chosen):
    assert pick(*standings) == chosen


FIGURES = st.none() | st.floats(0, 1000)


@given(
    st.lists(
        st.tuples(st.sampled_from([0.0, 0.5, 1.0]), st.sampled_from([0.1, 0.2]), FIGURES, FIGURES),
        min_size=1,
        max_size=8,
    )
)
def test_the_best_is_always_of_the_highest_quality(standings):
    made = [Standing(f"c{i}", *s) for i, s in enumerate(standings)]
    found = best(made, material_ms=5.0, material_share=0.1)
    assert found in made
    assert found.quality == max(s.quality for s in made)


# -- the verdict ------------------------------------------------------------------------------------


def row(metric, low, high, baseline=1.0):
    return MetricDifference(
        metric=metric, baseline=baseline, challenger=None, delta=(low + high) / 2,
        ci_low=low, ci_high=high, p_value=None,
    )  # fmt: skip


MARGINS = {"p95_ms": Margin(absolute=10.0), "cost_per_query": Margin(relative=0.5)}
FAST, CHEAP = row("p95_ms", -1.0, 1.0), row("cost_per_query", 0.0, 0.1)


@pytest.mark.parametrize(
    ("quality", "others", "kind", "undecided"),
    [
        ((0.01, 0.05), [FAST, CHEAP], "win", ()),
        ((-0.05, -0.01), [FAST, CHEAP], "regression", ()),
        ((-0.004, 0.004), [FAST, CHEAP], "no_difference", ()),
        ((0.001, 0.004), [FAST, CHEAP], "no_difference", ()),
        ((-0.01, 0.05), [FAST, CHEAP], "inconclusive", ("recall@10",)),
        ((0.0, 0.05), [FAST, CHEAP], "inconclusive", ("recall@10",)),
        ((0.01, 0.05), [row("p95_ms", 11.0, 20.0), CHEAP], "regression", ()),
        ((0.01, 0.05), [row("p95_ms", 5.0, 20.0), CHEAP], "inconclusive", ("p95_ms",)),
        (
            (0.01, 0.05),
            [row("p95_ms", 5.0, 20.0), row("cost_per_query", 0.4, 0.7)],
            "inconclusive",
            ("p95_ms", "cost_per_query"),
        ),
        ((0.01, 0.05), [row("p95_ms", 5.0, 20.0), row("cost_per_query", 0.6, 0.7)], "regression", ()),
        ((0.01, 0.05), [FAST, row("cost_per_query", 0.6, 0.7)], "regression", ()),
        ((0.01, 0.05), [row("p95_ms", 10.0, 10.0), CHEAP], "win", ()),
        ((-0.05, -0.01), [row("p95_ms", -90.0, -80.0), CHEAP], "regression", ()),
    ],
)
def test_verdicts(quality, others, kind, undecided):
    found = settle(row("recall@10", *quality), others, MARGINS, 0.005)
    assert (found.kind, found.undecided) == (kind, undecided)
    assert "recall@10" in found.reason


FASTER = row("p95_ms", -9.0, -1.0)


@pytest.mark.parametrize(
    ("quality", "others", "kind"),
    [
        ((-0.019, 0.01), [FASTER, CHEAP], "win"),
        ((-0.004, 0.004), [FASTER, CHEAP], "win"),
        ((-0.021, 0.01), [FASTER, CHEAP], "inconclusive"),
        ((-0.019, -0.001), [FASTER, CHEAP], "regression"),
        ((-0.019, 0.01), [FAST, CHEAP], "inconclusive"),
        ((-0.004, 0.004), [FAST, CHEAP], "no_difference"),
        ((-0.019, 0.01), [FASTER, row("cost_per_query", 0.6, 0.7)], "regression"),
        ((-0.019, 0.01), [CHEAP], "inconclusive"),
        ((0.01, 0.05), [FAST, CHEAP], "win"),
    ],
)
def test_a_gain_in_the_second_objective_wins_where_quality_is_not_inferior(quality, others, kind):
    found = settle(row("recall@10", *quality), others, MARGINS, 0.005, Second("p95_ms", 0.02))
    assert found.kind == kind
    without = settle(row("recall@10", *quality), others, MARGINS, 0.005)
    assert (without.kind == "win") == (quality[0] > 0)


def test_a_margin_that_was_not_measured_is_a_warning():
    found = settle(row("recall@10", 0.01, 0.05), [FAST], MARGINS, 0.005)
    assert found.kind == "win"
    assert found.warnings == ("cost_per_query was not measured, so its margin was not checked",)


@settings(max_examples=200)
@given(st.floats(-1, 1), st.floats(0, 1), st.floats(0, 0.1), st.floats(-50, 50), st.floats(0, 50))
def test_a_win_is_above_zero_and_within_every_margin(low, width, epsilon, slow, spread):
    quality = row("recall@10", low, low + width)
    latency = row("p95_ms", slow, slow + spread)
    found = settle(quality, [latency], {"p95_ms": Margin(absolute=10.0)}, epsilon)
    if found.kind == "win":
        assert quality.ci_low > 0
        assert latency.ci_high <= 10.0
    if found.kind == "regression":
        assert quality.ci_high < 0 or latency.ci_low > 10.0


def test_the_infeasible_go_first_and_lead_nobody():
    scores = np.array([[0.5] * 40, [1.0] * 40, [0.4] * 40])
    step = race_step(
        scores, scores, eligible=limited(True, False, True), delta=0.05, field=3, keep_at_most=2
    )
    assert step.survivors == (0, 2)
    assert step.forced == (1,)
    assert step.certain == ()


def test_where_nobody_is_feasible_quality_decides():
    scores = np.array([[0.5] * 400, [1.0] * 400])
    step = race_step(
        scores,
        scores,
        eligible=Eligible(np.zeros(2, dtype=bool), np.ones(2, dtype=bool)),
        delta=0.05,
        field=2,
        keep_at_most=None,
    )
    assert step.certain == (0,)
