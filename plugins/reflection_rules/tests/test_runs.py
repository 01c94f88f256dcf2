"""The rules in whole runs: the budget is kept, the best survives, decisions are told."""

import pytest
from orchestra_reflection_rules import plugin

from orchestra_core.builtin.planner import evaluations_allowed
from orchestra_core.journal.reporting import plan_of
from orchestra_core.testing import StubRunner, StubTarget

RULES = ("reflection_rules", plugin)
SPACE = {"quality": [i / 20 for i in range(4, 19)]}


def race(run_orchestra, *, budget, seed=0, rules=None, **target):
    return run_orchestra(
        RULES,
        runner=StubRunner(StubTarget(seed=seed, **target)),
        experiment={
            "space": SPACE,
            "stages": {"grid": {"sample": 40, "budget": budget, "probe": 0}},
            "plugins": {"reflection_rules": rules or {}},
        },
    )


@pytest.mark.parametrize("budget", [0.2, 0.5, 1.0])
def test_the_race_keeps_its_budget(run_orchestra, budget):
    run = race(run_orchestra, budget=budget)
    plan = plan_of(run.state)
    rungs = plan.stage("grid").rungs
    allowed = evaluations_allowed(len(plan.configurations), 40, budget, len(rungs[0]))
    assert run.report.evaluations <= allowed
    assert run.report.evaluations == run.state.grid_evaluations


@pytest.mark.parametrize("seed", range(3))
def test_the_best_of_a_nested_field_always_survives(run_orchestra, seed):
    """The better finds all that the weaker finds, so a sound race cannot lose the best."""
    run = race(run_orchestra, budget=0.3, seed=seed)
    assert "q0p9" in run.report.rungs[-1].survivors
    assert run.report.winner.config_id == "q0p9"


def test_the_report_tells_certain_and_forced_drops_apart(run_orchestra):
    run = race(run_orchestra, budget=0.3)
    dropped = [c for c in run.report.candidates if c.drop]
    assert dropped
    told = {(c.config_id, c.drop) for c in dropped}
    recorded = {(c, "certain") for r in run.report.rungs for c in r.dropped_certain}
    recorded |= {(c, "forced") for r in run.report.rungs for c in r.dropped_forced}
    assert told == recorded


def test_every_rung_is_judged(run_orchestra):
    run = race(run_orchestra, budget=0.5)
    judged = {(d.stage, d.rung) for d in run.report.decisions if d.plugin == "reflection_rules"}
    assert judged >= {("smoke", 0), *(("grid", r.rung) for r in run.report.rungs)}


def test_a_failing_target_stops_the_run_by_the_users_limit(run_orchestra):
    def failing(config_id, query_id):
        return query_id.endswith(("1", "2"))

    strict = race(run_orchestra, budget=0.5, rules={"failure_rate": 0.05}, failing=failing)
    assert (strict.report.status, strict.outcome.exit_code) == ("early_stopped", 3)
    lenient = race(run_orchestra, budget=0.5, failing=failing)
    assert lenient.report.verdict is not None


def test_the_plugin_loads_with_its_settings(plugin_host):
    from orchestra_core.plugins.discovery import PluginCandidate

    plugin_host.register(plugin, PluginCandidate("reflection_rules", plugin.__name__))
    assert plugin_host.statuses["reflection_rules"].hooks == ("orchestra_reflect", "orchestra_settings")
    assert plugin_host.settings["reflection_rules"].failure_rate == 0.3
