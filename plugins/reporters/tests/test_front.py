"""The Pareto front, and which points compete for it."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from orchestra_reporters import sections_evidence
from orchestra_reporters.pareto_text import subtitle

from orchestra_core.experiment import Objective
from orchestra_core.statistics.pareto import front
from orchestra_core.telling.points import arms, scatter
from orchestra_core.telling.ranking import ranked

POINTS = st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=25)


def beats(one, other):
    return one[0] >= other[0] and one[1] <= other[1] and one != other


@given(POINTS)
def test_the_front_is_what_nothing_beats(points):
    expected = {i for i, p in enumerate(points) if not any(beats(q, p) for q in points)}
    found = front(points)
    assert set(found) == expected
    assert [points[i][1] for i in found] == sorted(points[i][1] for i in found)
    assert len(found) == len(set(found))


def test_equal_points_share_the_front_and_ties_in_one_figure_do_not():
    assert front([(0.7, 2.0), (0.7, 1.0), (0.7, 1.0), (0.6, 1.0)]) == [1, 2]
    assert front([]) == []


def test_a_lucky_early_leaver_is_not_on_the_front(make_report, candidates):
    steady, _, lucky = candidates(3)
    lucky = lucky.model_copy(
        update={"metrics": {"recall@10": 0.99, "p95_ms": 0.1, "count": 12.0}, "dropped_in_rung": 0}
    )
    shown = scatter(make_report(None, candidates=[steady, lucky]))
    assert lucky.config_id not in {point.config_id for point in shown.front}
    assert shown.queries == 100


def test_who_breaks_a_limit_is_not_on_the_front_while_another_keeps_it(make_report, candidates):
    cheap, _, good = candidates(3)
    good = good.model_copy(update={"metrics": {**good.metrics, "recall@10": 0.99, "p95_ms": 0.1}})
    good = good.model_copy(update={"metrics": {**good.metrics, "cost_per_query": 1.0}})
    limits = Objective(subject_to={"cost_per_query": 0.01})
    shown = scatter(make_report(None, candidates=[cheap, good], objective=limits))
    assert [point.config_id for point in shown.points if not point.kept] == [good.config_id]
    assert good.config_id not in {point.config_id for point in shown.front}
    none = Objective(subject_to={"cost_per_query": 1e-9})
    shown = scatter(make_report(None, candidates=[cheap, good], objective=none))
    assert good.config_id in {point.config_id for point in shown.front}


def test_points_without_figures_are_counted(make_report, candidates):
    slow, unknown, empty = candidates(3)
    unknown = unknown.model_copy(update={"metrics": {"recall@10": None, "p95_ms": 1.0}})
    empty = empty.model_copy(update={"metrics": {}})
    shown = scatter(make_report(None, candidates=[slow, unknown, empty]))
    assert shown.left_out == 1  # the third is the baseline, which is known from elsewhere
    assert {point.role for point in shown.points} == {None, "baseline"}


def test_roles(make_report):
    win, lost = scatter(make_report("win", 44)), scatter(make_report("regression", 44))
    assert win.with_role("winner")
    assert win.with_role("challenger") is None
    assert lost.with_role("winner") is None
    assert lost.with_role("challenger")
    assert lost.with_role("baseline").config_id == "fiqa_para-k10-a0p0-ef64"


def test_a_baseline_outside_the_space_is_not_measured_against_the_race(make_report, candidates):
    cheap, _, best = candidates(3)
    report = make_report("win", candidates=[cheap, best])
    figures = {"recall@10": 0.66, "p95_ms": 0.3, "count": 200.0}  # the A/B's queries
    report = report.model_copy(
        update={"baseline": report.baseline.model_copy(update={"metrics": figures})}
    )
    shown = scatter(report)
    assert shown.queries == 100
    assert {p.config_id for p in shown.front} <= {cheap.config_id, best.config_id}
    assert not shown.with_role("baseline").complete
    assert [p.raced for p in shown.points] == [True, True, False]
    assert "2 configurations measured" in subtitle(report, shown)
    table = sections_evidence.candidates(report, 20)
    assert table.count("reached the end") == 2
    assert "outside the space: asked other queries" in table
    assert ranked(report)[-1].config_id == report.baseline.config_id
    alone = scatter(make_report(None, candidates=[]))
    assert [p.config_id for p in alone.front] == [report.baseline.config_id]


def test_the_arms_have_the_figures_of_the_ab(make_report):
    baseline, winner = arms(make_report("win", 44))
    assert (baseline.role, winner.role) == ("baseline", "winner")
    assert (baseline.quality, baseline.latency) == (0.6603, 0.30)
    assert winner.quality > baseline.quality
    assert baseline.queries == winner.queries == 200
    assert [arm.role for arm in arms(make_report("regression", 44))] == ["baseline", "challenger"]
    assert arms(make_report(None, 44)) == ()
