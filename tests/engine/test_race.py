"""Whole races with the rules on: limits, two objectives, a cut last block, twins; told and verified."""

import json

import pytest
from orchestra_reflection_rules import plugin as reflection_rules
from orchestra_reporters import plugin as reporters

from orchestra_core.artifacts import Home
from orchestra_core.builtin.planner import evaluations_allowed
from orchestra_core.journal.reporting import plan_of
from orchestra_core.testing import StubRunner, StubTarget, make_dataset
from orchestra_core.verification.check import verify_run

PLUGINS = (("reflection_rules", reflection_rules), ("reporters", reporters))
PLAIN = {"reporters": {"plots": False}}


@pytest.fixture
def race(run_orchestra):
    """Run, and check that the run can be computed again from its files."""

    def run_it(experiment, sections=None, **target):
        runner = StubRunner(StubTarget(**target))
        experiment = {**experiment, "plugins": {**PLAIN, **(sections or {})}}
        run = run_orchestra(*PLUGINS, runner=runner, experiment=experiment)
        assert verify_run(Home(run.home), run.run_id, lambda _name: make_dataset()).findings == []
        return run

    return run_it


def grid(**keys):
    return {"stages": {"grid": {"sample": 40, "budget": 1.0, "probe": 10, **keys}}}


def page(run):
    return next(run.home.glob("reports/*/winners.md")).read_text(encoding="utf-8")


def document(run):
    return json.loads(next(run.home.glob("reports/*/winners.json")).read_text(encoding="utf-8"))


def drops(run, config_id):
    return run.report.candidate(config_id).drop


# -- limits -----------------------------------------------------------------------------------------


def test_who_is_confidently_too_slow_goes_however_good(race):
    run = race(
        {
            **grid(),
            "objective": {"subject_to": {"p95_ms": 250}},
            "space": {"quality": [0.5, 0.6, 0.9], "delay": [1, 400]},
        }
    )
    slow = ("q0p5-d400", "q0p6-d400", "q0p9-d400")
    assert {drops(run, config_id) for config_id in slow} == {"certain"}
    assert set(run.report.rungs[0].dropped_certain) >= set(slow)
    assert run.report.winner.config_id == "q0p9-d1"
    assert "Of the certain drops, 3 cannot keep p95_ms ≤ 250 ms" in page(run)
    assert all(config_id in page(run) for config_id in slow)


def test_who_is_confidently_too_dear_goes(race):
    run = race(
        {
            **grid(),
            "objective": {"subject_to": {"cost_per_query": 0.001}},
            "space": {"quality": [0.5, 0.9], "top_k": [10, 20]},
        },
        cost=lambda parameters: 0.0001 * float(parameters["top_k"]) - 0.0005,
    )
    assert [drops(run, f"q0p9-k{k}") for k in (10, 20)] == [None, "certain"]
    assert "cannot keep cost" in page(run)
    (decision, *_) = [d for d in run.report.decisions if d.infeasible]
    assert decision.infeasible == ("q0p5-k20", "q0p9-k20")


def test_a_figure_just_beyond_the_limit_is_no_reason_to_go(race):
    """The true p95 of those with a delay of 10 is 10.45: so few requests cannot tell it from 10.4."""
    run = race(
        {
            **grid(),
            "objective": {"subject_to": {"p95_ms": 10.4}},
            "space": {"quality": [0.5, 0.9], "delay": [1, 10, 400]},
        }
    )
    near = run.report.candidate("q0p9-d10")
    assert near.metrics["p95_ms"] > 10.4
    infeasible = {config_id for d in run.report.decisions for config_id in d.infeasible}
    assert infeasible == {"q0p5-d400", "q0p9-d400"}


def test_where_nobody_keeps_the_limit_the_run_says_so_and_publishes_nothing(race):
    run = race(
        {
            **grid(),
            "objective": {"subject_to": {"p95_ms": 5}},
            "space": {"quality": [0.5, 0.9], "delay": [50]},
            "stages": {**grid()["stages"], "ab": {"sample": 40, "margin": {"p95_ms": 500}}},
        }
    )
    assert not run.report.published
    assert run.outcome.exit_code == 1
    assert "quality alone decided" in page(run)
    assert any("keeps p95_ms ≤ 5" in warning for warning in run.report.warnings)
    assert "limit 5" in run.report.not_published_because


# -- two objectives ---------------------------------------------------------------------------------

TWO = {
    **grid(sample=60, epsilon=0.0),
    "objective": {"maximize": "recall@10", "minimize": "p95_ms"},
    "space": {"quality": [0.2, 0.3, 0.6, 0.8, 0.9]},
}
FRONT = ("q0p3", "q0p6", "q0p8", "q0p9")


def slower_when_better(parameters):
    """The last step of quality costs the most; the first is slow for nothing."""
    return {0.2: 60.0, 0.3: 5.0, 0.6: 10.0, 0.8: 20.0, 0.9: 90.0}[parameters["quality"]]


def test_the_front_is_kept_and_what_is_dominated_goes(race):
    run = race(TWO, latency_ms=slower_when_better)
    assert run.report.front == FRONT
    assert drops(run, "q0p2") == "certain"
    assert run.report.regret_bound is None
    assert run.report.verdict.challenger == "q0p9"
    told = document(run)["front"]
    assert [one["config_id"] for one in told] == list(run.report.front)
    figures = [(one["metrics"]["recall@10"], one["metrics"]["p95_ms"]) for one in told]
    assert figures == sorted(figures)
    section = page(run).partition("## Front")[2].partition("\n## ")[0]
    assert section.count("\n| q0p") == 4
    assert "minimise p95_ms" in page(run).replace("\\", "")


def test_the_knee_challenges_when_it_is_asked_for(race):
    chosen = {**TWO["objective"], "select": "knee"}
    run = race({**TWO, "objective": chosen}, latency_ms=slower_when_better)
    assert run.report.verdict.challenger == "q0p8"
    assert "the knee" in page(run)


def test_no_budget_takes_from_the_front(race):
    run = race({**TWO, **grid(sample=60, epsilon=0.0, budget=0.4)}, latency_ms=slower_when_better)
    plan = plan_of(run.state)
    allowed = evaluations_allowed(5, 60, 0.4, len(plan.stage("grid").rungs[0]))
    assert run.report.evaluations <= allowed
    assert run.report.front == FRONT
    assert drops(run, "q0p2") == "forced"


def test_cost_can_be_minimised_too(race):
    run = race(
        {**TWO, "objective": {"minimize": "cost_per_query"}, "space": {"quality": [0.3, 0.6, 0.9]}},
        cost=lambda parameters: 0.001 if parameters["quality"] == 0.6 else 0.0005,
    )
    assert run.report.front == ("q0p9",)


def test_a_second_objective_that_nobody_measures_is_a_warning(race):
    run = race({**TWO, "objective": {"minimize": "cost_per_query"}})
    assert run.report.front == ("q0p9",)
    assert any("cost_per_query was not measured" in warning for warning in run.report.warnings)


def test_the_grid_probes_for_a_second_objective_even_where_answers_are_timed(race):
    run = race(TWO, latency_ms=slower_when_better, timed=True)
    asked = [call for call in run.runner.calls if call[0] == "probe"]
    assert any(config_ids == ("q0p6",) for _, config_ids, _ in asked)


@pytest.mark.parametrize(("tolerance", "kind"), [(0.1, "win"), (0.0, "inconclusive")])
def test_the_same_quality_much_faster_wins_if_no_loss_is_shown(race, tolerance, kind):
    quick = {
        **TWO,
        "baseline": {"quality": 0.6, "delay": 30.0},
        "space": {"quality": [0.6], "delay": [1.0, 30.0]},
        "stages": {**TWO["stages"], "ab": {"sample": 60, "tolerance": tolerance}},
    }
    run = race(quick, latency_ms=lambda parameters: parameters["delay"])
    verdict = run.report.verdict
    assert (verdict.kind, verdict.ties) == (kind, verdict.queries)
    assert run.report.published is (kind == "win")
    assert ("is better, margins hold" in verdict.reason) is (kind == "win")


# -- the budget -------------------------------------------------------------------------------------


def test_a_last_block_is_cut_to_what_the_budget_leaves(race):
    """Rules that drop nobody: the budget ends within a rung, and its part of the queries is asked."""
    keep_all = {"reflection_rules": {"recall_variance": 1e-9}}
    run = race(
        {
            **grid(sample=60, budget=0.5, probe=0),
            "space": {"quality": [0.50, 0.51, 0.52, 0.53, 0.54]},
        },
        keep_all,
        nested=False,
    )
    plan = plan_of(run.state)
    rungs = plan.stage("grid").rungs
    allowed = evaluations_allowed(5, 60, 0.5, len(rungs[0]))
    asked = [rung.evaluations // rung.entered for rung in run.report.rungs]
    assert asked[-1] < len(rungs[len(asked) - 1])
    assert allowed - len(run.report.rungs[-1].survivors) < run.report.evaluations <= allowed
    assert run.report.rungs[-1].queries == sum(asked)
    assert run.report.verdict is not None


# -- twins ------------------------------------------------------------------------------------------


def test_twins_collapse_to_the_fastest(race):
    """top_k finds the same ten documents, only slower: 30 stands first, 10 stays."""
    run = race(
        {**grid(), "space": {"quality": [0.4, 0.6, 0.8, 0.9], "top_k": [30, 20, 10]}},
        latency_ms=lambda parameters: 10.0 * float(parameters["top_k"]),
    )
    collapsed = {c for rung in run.report.rungs for c in rung.dropped_equivalent}
    assert collapsed
    assert all(config_id.endswith(("k20", "k30")) for config_id in collapsed)
    assert all(config_id.endswith("k10") for config_id in run.report.rungs[-1].survivors)
    assert {drops(run, config_id) for config_id in collapsed} == {"equivalent"}
    assert "as good as a cheaper one" in page(run)


def test_without_twins_nothing_collapses(race):
    run = race({**grid(), "space": {"quality": [0.4, 0.6, 0.8, 0.9]}}, nested=False)
    assert not any(rung.dropped_equivalent for rung in run.report.rungs)
