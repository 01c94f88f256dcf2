"""A target that goes away in the middle: the run ends there, and a resumed one comes to the same."""

import pytest

from orchestra_core.artifacts import Home
from orchestra_core.journal.memory import load_state
from orchestra_core.replaying import replay_run
from orchestra_core.testing import StubRunner, StubTarget

CALLS = 41
"""More than a small run makes."""


class Outage(StubRunner):
    """A runner whose target dies in the middle of its `at`-th call, and stays dead."""

    def __init__(self, at, shares_work=False):
        super().__init__(StubTarget(failing=self.fails, shares_work=shares_work))
        self.at, self.checks, self.answered = at, 0, set()

    def fails(self, config_id, query_id):
        if len(self.calls) < self.at or (len(self.calls) == self.at and not self.answered):
            self.answered.update({(config_id, query_id)} if len(self.calls) == self.at else ())
            return False
        self.target.healthy = False
        return True

    def orchestra_runner(self, request):
        opened = super().orchestra_runner(request)
        health = opened.health

        def counted():
            self.checks += 1
            return health()

        opened.health = counted
        return opened

    orchestra_runner.orchestra_impl = StubRunner.orchestra_runner.orchestra_impl


def replayed(lab, run_id):
    return replay_run(Home(lab.home), run_id, lab.session(lab.runner()).calls).findings


@pytest.mark.parametrize("at", [*range(1, 7), *range(8, CALLS, 4)])
def test_the_run_ends_there_and_goes_on_when_it_is_back(lab, undisturbed, told, at):
    outage = Outage(at)
    first = lab.run(outage)
    assert len(undisturbed.runner.calls) < CALLS
    if at > len(undisturbed.runner.calls):
        assert (first.report.status, outage.checks) == ("completed", 1)
        return
    assert (first.report.status, first.outcome.exit_code) == ("failed", 3)
    assert first.report.error["type"] == "health"
    assert "stub_failure" in first.report.error["msg"]
    assert f"orchestra resume {first.run_id} asks again what failed" in first.report.error["hint"]
    assert [e.event_type for e in first.events].count("HEALTH_FAIL") == 1
    assert outage.checks == 2
    assert replayed(lab, first.run_id) == []
    outcome, runner = lab.resume(first.run_id)
    found, wanted = told(outcome), told(undisturbed.outcome)
    assert found.pop("requests") > wanted.pop("requests")
    assert found == wanted
    assert set(first.runner.asked()) | set(runner.asked()) == set(undisturbed.runner.asked())
    assert load_state(Home(lab.home), first.run_id).failures.total() == 0
    assert replayed(lab, first.run_id) == []


def test_only_what_failed_is_asked_again(lab, undisturbed):
    first = lab.run(Outage(9))
    failed = {e.payload["unit"] for e in first.events if sum(e.payload.get("failures", {}).values())}
    _, runner = lab.resume(first.run_id)
    (resumed,) = [e for e in lab.events(first.run_id) if e.event_type == "RUN_RESUMED"]
    assert set(resumed.payload["asked_again"]) == failed
    assert len(first.runner.calls) + len(runner.calls) == len(undisturbed.runner.calls) + len(failed)


def test_an_outage_of_a_target_whose_units_hold_all_configurations(lab, told):
    whole = lab.run(StubRunner(StubTarget(shares_work=True)))
    for at in range(1, len(whole.runner.calls) + 1):
        first = lab.run(Outage(at, shares_work=True))
        assert first.report.error["type"] == "health"
        outcome, _ = lab.resume(first.run_id, StubRunner(StubTarget(shares_work=True)))
        found, wanted = told(outcome), told(whole.outcome)
        assert found.pop("requests") > wanted.pop("requests")
        assert found == wanted


def test_a_second_outage_while_it_is_gone_on_with(lab, undisturbed, told):
    first = lab.run(Outage(9))
    for at in (1, 2, 4):
        again, _ = lab.resume(first.run_id, Outage(at))
        assert again.report.error["type"] == "health"
        assert replayed(lab, first.run_id) == []
    outcome, _ = lab.resume(first.run_id)
    found, wanted = told(outcome), told(undisturbed.outcome)
    assert (found.pop("requests") > wanted.pop("requests"), found) == (True, wanted)


def test_a_query_that_always_fails_ends_no_run(lab):
    runner = Outage(10**9)
    runner.target.failing = lambda _config_id, query_id: query_id in {"q0003", "q0060", "q0100"}
    run = lab.run(runner)
    assert run.report.status == "completed"
    assert run.report.failures["stub_failure"] > 3
    assert 1 < runner.checks < len(run.runner.calls)
    assert lab.resume(run.run_id)[1].calls == []
    assert replayed(lab, run.run_id) == []


def test_a_configuration_that_always_fails_does_not_fail_its_neighbours(lab):
    runner = StubRunner(StubTarget(failing=lambda config_id, _query_id: config_id == "q0p5"))
    patient = {**lab.experiment, "plugins": {"reflection_rules": {"failure_rate": 0.9}}}
    run = type(lab)(lab.home, patient).run(runner)
    assert (run.report.status, run.report.winner.config_id) == ("completed", "q0p9")


def test_a_fork_takes_over_no_failure(lab):
    runner = StubRunner(StubTarget(failing=lambda _config_id, query_id: query_id == "q0100"))
    run = lab.run(runner)
    failed = {q for e in run.events if e.payload.get("failures") for q in [e.payload["unit"]]}
    outcome, again = lab.fork(run.run_id)
    assert failed
    assert outcome.report.failures == {}
    assert len(again.calls) == len(failed)


class Mute(Outage):
    """An outage in which the runner cannot say what it measures either."""

    def fails(self, config_id, query_id):
        failed = super().fails(config_id, query_id)
        self.target.index = None if failed else "1"
        return failed


@pytest.mark.parametrize("at", [1, 9, 36])
def test_what_the_runner_could_not_say_in_an_outage_is_no_change(lab, undisturbed, told, at):
    first = lab.run(Mute(at))
    assert {job.comparable for job in first.report.jobs} >= {None}
    outcome, _ = lab.resume(first.run_id)
    found, wanted = told(outcome), told(undisturbed.outcome)
    assert (found.pop("requests") > wanted.pop("requests"), found) == (True, wanted)
    assert outcome.report.published
    assert not [warning for warning in outcome.report.warnings if "index" in warning]


def test_an_index_that_was_another_for_a_while_stays_on_record(lab, doomed):
    """It is the first one again when the run is resumed, but what the other one answered is kept."""
    runner = doomed(at=36)
    runner.target.failing = lambda _c, _q: bool(setattr(runner.target, "index", "2"))
    first = lab.run(runner)
    assert first.report.status == "cancelled"
    assert lab.resume(first.run_id)[0].report.published is False


def test_a_target_that_is_still_away(lab, undisturbed, told):
    first = lab.run(Outage(9))
    again, runner = lab.resume(first.run_id, StubRunner(StubTarget(healthy=False)))
    assert (again.report.error["type"], again.exit_code, runner.calls) == ("health", 3, [])
    assert replayed(lab, first.run_id) == []
    outcome, _ = lab.resume(first.run_id)
    found, wanted = told(outcome), told(undisturbed.outcome)
    assert (found.pop("requests") > wanted.pop("requests"), found) == (True, wanted)
