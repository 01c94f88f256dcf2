"""Each rule by its evidence; what all rules have in common, for any evidence."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from orchestra_reflection_rules.plugin import orchestra_reflect, orchestra_settings
from orchestra_reflection_rules.settings import Settings
from orchestra_reflection_rules.shrinking import shrink
from pydantic import ValidationError

from orchestra_core import Decision

HALF = [1.0, 0.0] * 10


def kinds(decisions):
    return [(d.kind, d.rule) for d in decisions]


# -- failure_rate -----------------------------------------------------------------------------------


@pytest.mark.parametrize("stage", ["smoke", "grid"])
def test_too_many_failures_stop_the_run(evidence, stage):
    (decision,) = orchestra_reflect(evidence([HALF, HALF], failures=13, stage=stage))
    assert (decision.kind, decision.scope, decision.rule) == ("early_stop", "run", "failure_rate")
    assert decision.figures == {"failure_rate": 13 / 40, "limit": 0.3}
    assert "13 of 40" in decision.reason


def test_just_as_many_as_allowed_do_not(evidence):
    found = orchestra_reflect(evidence([HALF, HALF], failures=12))
    assert "early_stop" not in {d.kind for d in found}


def test_the_limit_is_a_setting(evidence):
    assert orchestra_reflect(evidence([HALF], failures=1, failure_rate=0.04))[0].kind == "early_stop"
    assert orchestra_reflect(evidence([HALF], failures=20, failure_rate=1.0))[0].kind == "keep"


# -- plateau ----------------------------------------------------------------------------------------


def test_a_leader_that_stands_still_among_equals_ends_the_grid(evidence):
    found = orchestra_reflect(evidence([HALF, HALF], rung=2, rungs=4, best_so_far=(0.5, 0.5)))
    (stop,) = [d for d in found if d.rule == "plateau"]
    assert (stop.kind, stop.scope) == ("early_stop", "stage")
    assert stop.figures["gain"] == 0.0


@pytest.mark.parametrize(
    "changes",
    [
        {"best_so_far": (0.5,)},  # too early to tell
        {"best_so_far": (0.4, 0.45)},  # it still gains
        {"best_so_far": (0.5, 0.5), "stage": "smoke"},
        {"best_so_far": (0.5, 0.5), "following": 0},  # the race is over anyway
    ],
)
def test_otherwise_the_grid_goes_on(evidence, changes):
    found = orchestra_reflect(evidence([HALF, HALF], rung=2, rungs=4, **changes))
    assert "plateau" not in {d.rule for d in found}


def test_survivors_that_differ_are_worth_another_rung(evidence):
    rows = [HALF, [1.0] * 8 + [0.0] * 12]
    found = orchestra_reflect(evidence(rows, rung=2, rungs=4, best_so_far=(0.5, 0.5)))
    assert "plateau" not in {d.rule for d in found}


# -- recall_variance --------------------------------------------------------------------------------


def test_the_beaten_are_dropped_for_certain(evidence):
    (decision,) = orchestra_reflect(evidence([[1.0] * 100, [0.0] * 100, [1.0] * 99 + [0.0]]))
    assert (decision.kind, decision.rule) == ("shrink", "recall_variance")
    assert decision.survivors == ("k0", "k2")
    assert decision.certain == ("k1",)
    assert (decision.figures["certain"], decision.figures["forced"]) == (1, 0)


def test_a_budget_forces_the_weaker_part_out(evidence):
    rows = [[1.0] * n + [0.0] * (12 - n) for n in (3, 9, 6, 8)]
    decision = orchestra_reflect(evidence(rows, spent=48, allowed=128, rungs=3, following=20))[0]
    assert decision.kind == "shrink"
    assert decision.survivors == ("k1", "k3")
    assert decision.certain == ()
    assert decision.figures["forced"] == 2


def test_two_always_stay_in_the_race(evidence):
    decision = orchestra_reflect(evidence([HALF, [0.0] * 20, HALF[::-1]], spent=60, allowed=60))[0]
    assert len(decision.survivors) == 2


def test_noise_is_waited_out_while_there_is_budget(evidence):
    noisy = [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]
    assert kinds(orchestra_reflect(evidence(noisy))) == [("keep", "no_reason_to_act")]
    wide = orchestra_reflect(evidence(noisy, recall_variance=0.9))
    assert kinds(wide) == [("keep", "no_reason_to_act")]  # acting, it finds nobody beaten


def test_nothing_is_dropped_after_the_last_rung_or_in_the_smoke_test(evidence):
    clear = [[1.0] * 100, [0.0] * 100]
    assert kinds(orchestra_reflect(evidence(clear, following=0))) == [("keep", "no_reason_to_act")]
    smoke = orchestra_reflect(evidence(clear, stage="smoke", following=0))
    assert kinds(smoke) == [("keep", "no_reason_to_act")]


def test_the_finer_metric_decides_who_is_forced_out(evidence):
    rows, finer = [HALF] * 3, [[0.1] * 20, [0.2] * 20, [0.3] * 20]
    decision = orchestra_reflect(evidence(rows, finer=finer, spent=60, allowed=100, following=20))[0]
    assert decision.survivors == ("k2", "k1")


def test_twins_collapse_by_what_is_minimised(evidence):
    """Twice as fast in most requests, but with the slower tail: the tail is what was asked for."""
    figures = [{"p50_ms": 48.0, "p95_ms": 50.0}, {"p50_ms": 22.0, "p95_ms": 200.0}, {"p95_ms": 300.0}]
    rows = [[1.0, 0.0] * 60, [1.0, 0.0] * 60, [0.0, 1.0] * 60]
    two = evidence(rows, metrics=figures, objective={"minimize": "p95_ms"})
    one = evidence(rows, metrics=figures)
    stay = [set(shrink(given_evidence, []).survivors) for given_evidence in (two, one)]
    assert stay == [{0, 2}, {1, 2}]


def fast_by_luck(evidence, seed):
    """The better one's true p95 is 260 ms, beyond the limit; 40 requests often look otherwise."""
    rng = np.random.default_rng(seed)
    rows = (rng.random((2, 150)) < np.array([[0.9], [0.4]])).astype(float)
    times = [rng.uniform(0, 260 / 0.95, 40), rng.uniform(0, 100, 40)]
    figures = [{"p95_ms": float(np.percentile(t, 95))} for t in times]
    limit = {"subject_to": {"p95_ms": 250.0}}
    return evidence(rows, metrics=figures, latencies=times, objective=limit)


def test_who_keeps_a_limit_by_luck_beats_nobody(evidence):
    made = [fast_by_luck(evidence, seed) for seed in range(40)]
    assert sum(one.configurations[0].metrics["p95_ms"] <= 250 for one in made) > 5
    assert not [d for one in made for d in orchestra_reflect(one) if "k1" in d.certain]


@pytest.mark.parametrize("limits", [{"p95_ms": 250.0}, {"cost_per_query": 1.0}, {}])
def test_who_keeps_a_limit_for_certain_beats_others(evidence, limits):
    """A limit on what nobody measured, such as the cost here, is none for the race."""
    rows = [[1.0] * 100, [0.0] * 100]
    made = evidence(rows, latencies=[[5.0] * 400] * 2, objective={"subject_to": limits})
    assert [d.certain for d in orchestra_reflect(made)] == [("k1",)]


def test_where_everybody_is_beyond_the_limit_for_certain_quality_decides(evidence):
    rows, times = [[1.0] * 100, [0.0] * 100], [[300.0] * 40] * 2
    limit = {"subject_to": {"p95_ms": 250.0}}
    (decision,) = orchestra_reflect(evidence(rows, latencies=times, objective=limit))
    assert (decision.certain, decision.infeasible) == (("k1",), ())


# -- all of them ------------------------------------------------------------------------------------


@settings(deadline=None)
@given(
    arrays(
        np.float64,
        array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=10),
        elements=st.sampled_from([0.0, 0.5, 1.0]),
    ),
    st.integers(0, 3),
    st.integers(0, 400),
    st.sampled_from(["smoke", "grid"]),
    st.sampled_from([0, 1, 20]),
)
def test_any_evidence_gives_sound_decisions(evidence, rows, rung, spent, stage, following):
    given_evidence = evidence(
        rows, rung=rung, rungs=4, spent=spent, allowed=200, stage=stage, following=following,
        best_so_far=(0.5,) * rung,
    )  # fmt: skip
    everyone = {c.config_id for c in given_evidence.configurations}
    decisions = orchestra_reflect(given_evidence)
    assert decisions
    for decision in decisions:
        assert isinstance(decision, Decision)
        assert decision.reason
        assert set(decision.survivors) | set(decision.certain) <= everyone
        assert not set(decision.survivors) & set(decision.certain)
        if decision.kind == "shrink":
            assert decision.survivors
            assert len(decision.survivors) < len(everyone)
            best = max(given_evidence.configurations, key=lambda c: c.scores.mean())
            assert best.scores.mean() == pytest.approx(
                max(c.scores.mean() for c in given_evidence.configurations
                    if c.config_id in decision.survivors)
            )  # fmt: skip


@pytest.mark.parametrize(
    "wrong",
    [{"failure_rate": 1.1}, {"recall_variance": 0}, {"plateau_rungs": 0}, {"failure_rat": 0.1}],
)
def test_wrong_settings_are_refused(wrong):
    with pytest.raises(ValidationError):
        orchestra_settings()(**wrong)


def test_defaults():
    assert Settings() == Settings(failure_rate=0.3, recall_variance=0.02)


# -- figures over a block ---------------------------------------------------------------------------


def test_figures_over_a_block_prove_nothing(evidence):
    """Repeated means have no spread: a paired test would be sure of anything."""
    rows = [[0.2] * 200, [0.9] * 200, [0.5] * 200, [0.9] * 200]
    made = evidence(rows, allowed=1200, spent=800, following=100)
    told = [dataclasses.replace(one, aggregate_only=True) for one in made.configurations]
    (decision,) = orchestra_reflect(dataclasses.replace(made, configurations=tuple(told)))
    assert decision.kind == "shrink"
    assert (decision.certain, decision.equivalent) == ((), ())
    names = [one.config_id for one in told]
    assert decision.survivors == (names[1], names[3])
    (sure,) = orchestra_reflect(made)
    assert sure.certain


def test_figures_over_a_block_drop_nobody_while_the_budget_lasts(evidence):
    made = evidence([[0.2] * 200, [0.9] * 200])
    told = [dataclasses.replace(one, aggregate_only=True) for one in made.configurations]
    assert kinds(orchestra_reflect(dataclasses.replace(made, configurations=tuple(told)))) == [
        ("keep", "no_reason_to_act")
    ]
