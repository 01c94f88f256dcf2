"""What must hold when plugins, targets and displays misbehave."""

import time

import pytest
from orchestra_reflection_rules import plugin as reflection_rules

from orchestra_core import Decision, EventNotice, hookimpl
from orchestra_core.artifacts import Home
from orchestra_core.builtin.planner import orchestra_plan
from orchestra_core.errors import HookError
from orchestra_core.journal.memory import open_journal
from orchestra_core.testing.running import run_stubs

RULES = ("reflection_rules", reflection_rules)


def ending(run):
    return run.report.status, run.report.verdict and run.report.verdict.kind, run.outcome.exit_code


@pytest.mark.parametrize(("named", "canonical"), [("nDCG@10", "ndcg@10"), ("RR@10", "mrr@10")])
def test_an_objective_by_its_ir_measures_name(run_orchestra, named, canonical):
    run = run_orchestra(experiment={"objective": {"maximize": named}})
    assert run.report.verdict.metric == canonical
    assert ending(run) == ("completed", "win", 0)
    assert run.report.verdict.diff_table[0].challenger > 0.2


def test_a_target_that_dies_after_smoke_is_no_verdict(run_orchestra, stub_runner):
    stub_runner.target.failing = lambda config_id, query_id: len(stub_runner.calls) > 1
    run = run_orchestra()
    assert run.outcome.exit_code == 3
    assert run.report.verdict is None
    assert "requests failed: stub_failure" in run.report.error["msg"]
    assert "Most often stub_failure: the stub was told to fail" in run.report.error["msg"]


def test_an_early_stop_names_what_the_runner_raised(run_orchestra, stub_runner):
    stub_runner.target.raises = RuntimeError("boom")
    run = run_orchestra(RULES)
    assert ending(run) == ("early_stopped", None, 3)
    told = "15 of 15 requests failed (100%, limit 30%). Most often RuntimeError: boom"
    assert told in run.outcome.error.message
    assert told in run.report.decisions[-1].reason


def test_a_challenger_that_fails_often_wins_nothing(run_orchestra, stub_runner):
    confirmation = set()

    class Watches:
        @hookimpl
        def orchestra_event(self, event: EventNotice):
            if event.event_type == "RUN_STARTED":
                confirmation.update(event.payload["plan"]["confirmation"])

    def failing(config_id, query_id):
        return query_id in confirmation and int(query_id[1:]) % 2 == 0

    stub_runner.target.failing = failing
    run = run_orchestra(Watches())
    assert ending(run) == ("completed", "inconclusive", 4)
    assert "queries failed" in run.report.verdict.reason
    assert not run.report.published


def test_an_observer_cannot_change_what_the_run_goes_by(run_orchestra):
    class Meddles:
        @hookimpl
        def orchestra_event(self, event: EventNotice):
            if event.event_type == "VERDICT":
                event.payload["kind"] = "win"

    run = run_orchestra(Meddles(), experiment={"baseline": {"quality": 0.9}})
    assert ending(run) == ("completed", "no_difference", 0)
    assert not run.report.published


def test_a_display_that_fails_is_dropped(tmp_path):
    seen = []

    def display(event, _state):
        seen.append(event)
        raise BrokenPipeError

    run = run_stubs(tmp_path, listeners=[display])
    assert ending(run) == ("completed", "win", 0)
    assert len(seen) == 1


def test_a_runner_that_fails_to_close_takes_nothing_back(run_orchestra, stub_runner, monkeypatch):
    from orchestra_core.testing.stubs import OpenStub

    def close(self):
        raise ValueError("stuck")

    monkeypatch.setattr(OpenStub, "close", close)
    run = run_orchestra()
    assert ending(run) == ("completed", "win", 0)
    assert run.report.published
    told = [e.payload for e in run.events if e.event_type == "PLUGIN_ERROR"]
    assert "close() failed: stuck" in told[0]["error"]["msg"]


def test_a_probe_that_hangs_is_given_up(run_orchestra, stub_runner, monkeypatch):
    from orchestra_core.testing.stubs import OpenStub

    monkeypatch.setattr(OpenStub, "probe", lambda *_arguments: time.sleep(30))
    began = time.monotonic()
    stages = {"grid": {"sample": 20, "budget": 1.0, "probe": 0}, "ab": {"sample": 60}}
    run = run_orchestra(experiment={"runner": {"runner_timeout_s": 0.2}, "stages": stages})
    assert time.monotonic() - began < 100  # eight probes of 30 s
    assert run.report.failures["timeout"] > 0
    assert ending(run)[1:] == ("inconclusive", 4)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (
            lambda plan: {"tuning": (*plan.tuning, plan.confirmation[0])},
            "in tuning and in confirmation",
        ),
        (lambda plan: {"stages": plan.stages[1:]}, "the stages are grid, ab, select, publish"),
        (
            lambda plan: {
                "stages": (
                    plan.stages[0].model_copy(update={"rungs": (plan.confirmation,)}),
                    *plan.stages[1:],
                )
            },
            "stage smoke asks queries that are not its own",
        ),
    ],
)
def test_a_plan_that_leaks_or_is_cut_wrongly_is_refused(run_orchestra, change, told):
    class Plans:
        @hookimpl
        def orchestra_plan(self, request):
            plan = orchestra_plan(request)
            return plan.model_copy(update=change(plan))

    with pytest.raises(HookError, match=told):
        run_orchestra(Plans())


def test_sequence_numbers_are_given_once_even_when_syncing_fails(run_orchestra, monkeypatch):
    import os

    real, calls = os.fdatasync, []

    def failing(descriptor):
        calls.append(descriptor)
        if len(calls) == 3:
            raise OSError(5, "Input/output error")
        real(descriptor)

    monkeypatch.setattr(os, "fdatasync", failing)
    run = run_orchestra()
    numbers = [event.seq for event in open_journal(Home(run.home), run.run_id)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert run.outcome.exit_code == 3


def test_a_stop_drops_nobody(run_orchestra):
    class Both:
        @hookimpl
        def orchestra_reflect(self, evidence):
            if evidence.stage == "smoke":
                return None
            first = evidence.configurations[0].config_id
            return [
                Decision(kind="early_stop", rule="enough", reason="seen enough"),
                Decision(kind="shrink", rule="fewer", reason="fewer", survivors=(first,)),
            ]

    run = run_orchestra(("both", Both()))
    assert len(run.report.rungs) == 1
    assert len(run.report.rungs[0].survivors) == run.report.rungs[0].entered
