"""A run that was cut short anywhere ends as if it had not been, and asks nothing twice."""

import itertools
import os
import platform
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from orchestra_core import Decision, Ruling, hookimpl
from orchestra_core.artifacts import Home
from orchestra_core.errors import RunChanged, RunInUse, TargetError
from orchestra_core.history import broken_records, read_history
from orchestra_core.journal.events import EventType
from orchestra_core.journal.lock import RunLock
from orchestra_core.journal.log import JournalReader, JournalWriter
from orchestra_core.journal.memory import load_state
from orchestra_core.journal.past import read_past
from orchestra_core.journal.units import LOST
from orchestra_core.liveness import process_is_gone
from orchestra_core.observation import Failure, Observation
from orchestra_core.resuming import check_resumable
from orchestra_core.testing import StubRunner, StubTarget


def done(events):
    return [e for e in events if e.event_type == "UNIT_DONE"]


def none_is_recorded_twice(events):
    return set(Counter(e.payload["unit"] for e in done(events)).values()) == {1}


def sent(runner):
    return len(runner.asked()) + len(runner.asked("probe"))


# -- cut anywhere -----------------------------------------------------------------------------------


def test_a_journal_cut_short_can_be_gone_on_with(lab, tmp_path, told):
    """As after a kill at any moment, in the middle of a line: what was done is not done again."""
    run = lab.run()
    lines = lab.journal(run.run_id).read_bytes().splitlines(keepends=True)
    for length in range(2, len(lines), 3):
        cut = lab.copy(tmp_path / "cut")
        cut.journal(run.run_id).write_bytes(b"".join(lines[:length]) + lines[length][:40])
        outcome, runner = cut.resume(run.run_id)
        assert told(outcome) == told(run.outcome), lines[length - 1]
        events = cut.events(run.run_id)
        assert none_is_recorded_twice(events)
        assert [e.seq for e in events] == list(range(1, len(events) + 1))
        assert sent(runner) == sum(e.payload["queries"] for e in done(run.events[length:]))
        assert told(outcome) == told_by_journal(cut, run.run_id, outcome, told)
        history = read_history(Home(cut.home))
        assert [record["run_id"] for record in history] == [run.run_id]
        assert broken_records(history) == []


def told_by_journal(lab, run_id, outcome, told):
    """What anybody reads from the file later."""
    from orchestra_core.journal.reporting import build_report

    return told(replace(outcome, report=build_report(load_state(Home(lab.home), run_id))))


@pytest.mark.parametrize("at", [1, 2, 4, 6, 9, 13, 16, 20])
def test_an_interrupted_run_is_gone_on_with(lab, undisturbed, doomed, told, at):
    first = lab.run(doomed(at=at))
    assert first.report.status == "cancelled"
    outcome, runner = lab.resume(first.run_id)
    assert told(outcome) == told(undisturbed.outcome)
    assert none_is_recorded_twice(lab.events(first.run_id))
    assert set(first.runner.asked()) | set(runner.asked()) == set(undisturbed.runner.asked())


def test_an_interrupt_in_a_later_look_is_gone_on_with(lab, tmp_path, doomed, told):
    """The margin is open, so the A/B looks twice; whatever it was doing then is done again."""
    stages = lab.experiment["stages"] | {"ab": {"sample": 40, "margin": {"p95_ms": 103}}}
    asked = {"space": {"quality": [0.9], "delay": [100.0]}, "stages": stages}
    whole = replace(lab, experiment=asked).run()
    verdict, calls = whole.report.verdict, [what for what, _, _ in whole.runner.calls]
    assert (verdict.looks, verdict.undecided, calls[-1]) == (2, "p95_ms", "probe")
    later = len(calls) - calls[::-1].index("evaluate")  # the last block of queries, timed from then on
    for at in (later, later + 1, len(calls)):
        other = replace(lab, home=tmp_path / str(at), experiment=asked)
        first = other.run(doomed(at=at))
        assert first.report.status == "cancelled"
        outcome, _ = other.resume(first.run_id)
        assert told(outcome) == told(whole.outcome)
        assert none_is_recorded_twice(other.events(first.run_id))


def test_two_interrupts_while_it_is_gone_through_again(lab, undisturbed, doomed, told):
    first = lab.run(doomed(at=16))
    states = [load_state(Home(lab.home), first.run_id)]
    for _ in range(2):  # at the first new call each time, before anything is done
        outcome, _ = lab.resume(first.run_id, doomed(at=1))
        assert outcome.report.status == "cancelled"
        states.append(load_state(Home(lab.home), first.run_id))
    assert [state.jobs for state in states[1:]] == [states[0].jobs] * 2
    outcome, _ = lab.resume(first.run_id)
    assert told(outcome) == told(undisturbed.outcome)
    assert load_state(Home(lab.home), first.run_id).resumed == 3


def test_an_interrupt_while_it_is_gone_through_again_spoils_no_job(lab, doomed, undisturbed):
    """The A/B had been reached; the interrupt comes in the second passage through the grid."""

    class Interrupts:
        rung = -1

        @hookimpl
        def orchestra_reflect(self, evidence):
            if evidence.stage == "grid" and evidence.rung == self.rung:
                raise KeyboardInterrupt

    interrupts = Interrupts()
    plugin = ("interrupts", interrupts)
    first = lab.run(doomed(at=len(undisturbed.runner.calls) - 1), plugin)
    before = load_state(Home(lab.home), first.run_id)
    assert before.stages["grid"].status == "done"
    folders = [lab.home / job["path"] / "queries.jsonl" for job in before.jobs.values()]
    content = [path.read_bytes() for path in folders]
    interrupts.rung = 0
    outcome, _ = lab.resume(first.run_id, None, plugin)
    after = load_state(Home(lab.home), first.run_id)
    assert outcome.report.status == "cancelled"
    assert (after.jobs, after.stages["grid"].status) == (before.jobs, "done")
    assert [path.read_bytes() for path in folders] == content
    interrupts.rung = -1
    assert lab.resume(first.run_id, None, plugin)[0].report.status == "completed"


# -- failed units -----------------------------------------------------------------------------------


class Down:
    """A target that gives no answer until it is told to."""

    def __init__(self):
        self.left = 10**9

    def __call__(self, _config_id, _query_id):
        self.left -= 1
        return self.left < 0


@pytest.mark.parametrize("answers", [0, 5, 20, 60])
def test_what_failed_is_asked_again(lab, undisturbed, told, answers):
    """The target fails and says it is well; once it answers, the open step's failures are asked."""
    down = Down()
    down.left = answers
    first = lab.run(StubRunner(StubTarget(failing=down)))
    assert first.report.status == "early_stopped"
    outcome, runner = lab.resume(first.run_id)
    state = load_state(Home(lab.home), first.run_id)
    assert outcome.report.status == state.status == "completed"
    failed = [e.payload for e in first.of_type("UNIT_DONE") if e.payload["failures"]]
    again = Counter([*first.runner.asked(), *runner.asked()]) - Counter(undisturbed.runner.asked())
    assert again.total() <= sum(payload["queries"] for payload in failed)
    assert {(p["stage"], p["rung"]) for p in failed} == {(failed[0]["stage"], failed[0]["rung"])}
    assert state.failures.total() == 0
    assert told(outcome)["rungs"] == told(undisturbed.outcome)["rungs"]


def test_units_that_raise_are_asked_again_and_count_once(lab, undisturbed, told):
    runner = StubRunner(StubTarget(raises=RuntimeError("the target is gone")))
    first = lab.run(runner)
    assert first.report.status == "early_stopped"
    outcome, again = lab.resume(first.run_id)
    wanted, found = told(undisturbed.outcome), told(outcome)
    assert found.pop("requests") == wanted.pop("requests") + first.report.requests
    assert found == wanted
    (resumed,) = [e for e in lab.events(first.run_id) if e.event_type == "RUN_RESUMED"]
    failed = {e.payload["unit"] for e in first.of_type("UNIT_FAILED")}
    assert set(resumed.payload["asked_again"]) == failed
    assert set(runner.asked()) <= set(again.asked())


def test_what_was_decided_on_stays_decided(lab, doomed):
    """A unit failed in a rung that was closed: its failure is evidence that decisions rest on."""
    first = lab.run(doomed(at=9, how=RuntimeError("once")))
    lines = lab.journal(first.run_id).read_bytes().splitlines(keepends=True)
    kinds = [e.event_type for e in first.events]
    lab.journal(first.run_id).write_bytes(b"".join(lines[: kinds.index("AB_STARTED")]))
    outcome, _ = lab.resume(first.run_id)
    assert outcome.report.failures == first.report.failures != {}
    assert outcome.report.rungs == first.report.rungs


def test_failed_only_asks_nothing_new(lab, doomed):
    first = lab.run(doomed(at=2))
    tried = {e.payload["unit"] for e in first.of_type("UNIT_STARTED")}
    finished = {e.payload["unit"] for e in done(first.events)}
    outcome, _ = lab.resume(first.run_id, asks="tried")
    assert (outcome.report.status, outcome.exit_code) == ("cancelled", 130)
    begun = [e.payload["unit"] for e in lab.events(first.run_id) if e.event_type == "UNIT_STARTED"]
    assert set(begun) == tried
    assert Counter(begun)[next(iter(tried - finished))] == 2
    assert lab.resume(first.run_id)[0].report.status == "completed"


# -- states -----------------------------------------------------------------------------------------


def test_interrupted_failed_and_done_are_told_apart(lab, doomed):
    first = lab.run(doomed(at=5))
    past = read_past(JournalReader(lab.journal(first.run_id)))
    finished = {key for key, ends in past.units.items() if ends}
    assert not past.unfinished & finished
    assert finished == {e.payload["unit"] for e in done(first.events)}
    assert past.unfinished
    assert not past.deaths  # it was interrupted; it killed nobody


# -- quarantine -------------------------------------------------------------------------------------

DIED = 9
KILLER = """
import os, sys
from pathlib import Path
from orchestra_core.resuming import resume_experiment
from orchestra_core.liveness import process_is_gone
from orchestra_core.resuming import check_resumable
from orchestra_core.testing import StubRunner
from orchestra_core.testing.running import run_stubs, stub_session

home, run_id, experiment = Path(sys.argv[1]), sys.argv[2], eval(sys.argv[3])

class Kills(StubRunner):
    def orchestra_runner(self, request):
        opened = super().orchestra_runner(request)
        whole = opened.evaluate
        def evaluate(configurations, queries):
            if configurations[0].config_id == "q0p5" and queries[0].query_id == sys.argv[4]:
                os._exit(9)
            return whole(configurations, queries)
        opened.evaluate = evaluate
        return opened
    orchestra_runner.orchestra_impl = StubRunner.orchestra_runner.orchestra_impl

runner = Kills()
if run_id:
    outcome = resume_experiment(stub_session(home, runner=runner, experiment=experiment), run_id)
else:
    outcome = run_stubs(home, runner=runner, experiment=experiment).outcome
sys.exit(outcome.exit_code)
"""


def test_a_unit_that_kills_its_process_three_times_is_set_aside(lab, undisturbed):
    """It is asked alone after the first death, so that no other unit is blamed with it."""
    first = next(queries[0] for _, asked, queries in undisturbed.runner.calls if asked == ("q0p5",))
    run_id, deaths, code = "", 0, DIED
    while code == DIED:
        script = [sys.executable, "-c", KILLER, str(lab.home), run_id, repr(lab.experiment), first]
        code = subprocess.run(script, check=False, timeout=120).returncode
        deaths += code == DIED
        (journal,) = (lab.home / "reports" / "events").glob("*.jsonl")
        run_id = journal.stem
    failed = [e.payload for e in lab.events(run_id) if e.event_type == "UNIT_FAILED"]
    assert {payload["error"]["type"] for payload in failed} == {"quarantined"}
    assert deaths == 3 * len(failed) > 0
    state = load_state(Home(lab.home), run_id)
    assert state.failures == {"quarantined": sum(payload["queries"] for payload in failed)}
    assert state.status == "completed"


class Absent(StubRunner):
    """A target that is not there: its runner cannot be opened."""

    def orchestra_runner(self, request):
        raise TargetError("the target is down")

    orchestra_runner.orchestra_impl = StubRunner.orchestra_runner.orchestra_impl


def test_a_death_is_remembered_though_the_next_sitting_cannot_begin(lab):
    run = lab.run()
    lines = lab.journal(run.run_id).read_bytes().splitlines(keepends=True)
    kinds = [event.event_type for event in run.events]
    lab.journal(run.run_id).write_bytes(b"".join(lines[: kinds.index("UNIT_STARTED") + 1]))
    deaths = read_past(JournalReader(lab.journal(run.run_id))).deaths
    assert sum(deaths.values()) == 1
    outcome, _ = lab.resume(run.run_id, Absent())
    assert outcome.exit_code == 3
    assert [e.event_type for e in lab.events(run.run_id)][-3:-1] == ["RUN_RESUMED", "RUN_FAILED"]
    assert read_past(JournalReader(lab.journal(run.run_id))).deaths == deaths


@pytest.mark.parametrize("sick", [Absent(), StubRunner(StubTarget(healthy=False))])
def test_a_run_whose_target_was_not_up_yet(lab, undisturbed, told, sick):
    first = lab.run(sick)
    assert first.outcome.exit_code == 3
    with pytest.raises(RunChanged, match="before anything was asked"):
        check_resumable(load_state(Home(lab.home), first.run_id))  # nothing to replay
    outcome, _ = lab.resume(first.run_id)
    assert told(outcome) == told(undisturbed.outcome)
    assert load_state(Home(lab.home), first.run_id).started["fingerprint"]["documents"] > 0


def test_a_guard_that_denies_now_says_so(lab, doomed):
    class Guard:
        kind = "allow"

        @hookimpl
        def orchestra_guard(self, evidence):
            return Ruling(kind=self.kind, rule="window", reason="the window is closed")

    guard = Guard()
    first = lab.run(doomed(at=5), ("guard", guard))
    guard.kind = "deny"
    outcome, runner = lab.resume(first.run_id, None, ("guard", guard))
    assert outcome.error.code == "denied"
    assert (outcome.exit_code, runner.calls) == (1, [])
    guard.kind = "allow"
    assert lab.resume(first.run_id, None, ("guard", guard))[0].exit_code == 0


def test_the_lock_tells_who_is_gone_not_the_host(lab, doomed, monkeypatch):
    """A container has another name each time, on the same volume."""
    first = lab.run()
    lines = lab.journal(first.run_id).read_bytes().splitlines(keepends=True)
    lab.journal(first.run_id).write_bytes(b"".join(lines[:12]))
    monkeypatch.setattr(platform, "node", lambda: "another")
    home = Home(lab.home)
    assert process_is_gone(home, load_state(home, first.run_id))
    lock = RunLock(home.lock(first.run_id))
    assert not process_is_gone(home, load_state(home, first.run_id))
    lock.release()


# -- results that are lost --------------------------------------------------------------------------


def emptied(path):
    path.write_bytes(b"")


@pytest.mark.parametrize("harm", [Path.unlink, emptied])
@pytest.mark.parametrize(("at", "which"), [(5, 0), (14, 0), (14, -1)])
def test_what_was_lost_is_asked_again(lab, doomed, undisturbed, told, harm, at, which):
    """As a power cut may leave it: the journal says done, and the result is not there."""
    first = lab.run(doomed(at=at))
    home = Home(lab.home)
    lost = done(first.events)[which].payload["result"]
    harm(home.units(first.run_id) / f"{lost}.jsonl.gz")
    units = {e.payload["unit"] for e in done(first.events) if e.payload["result"] == lost}
    forked, _ = lab.copy(lab.home.with_name("other")).fork(first.run_id)
    assert forked.report.status == "completed"
    outcome, _ = lab.resume(first.run_id)
    wanted, found = told(undisturbed.outcome), told(outcome)
    assert found.pop("requests") > wanted.pop("requests")
    assert sorted(found.pop("warnings")) == sorted([*wanted.pop("warnings"), LOST])
    assert found == wanted
    told_lost = [e.payload["unit"] for e in lab.events(first.run_id) if e.event_type == "UNIT_LOST"]
    assert sorted(told_lost) == sorted(units)  # in the plan's order, not in that of their ends
    state = load_state(home, first.run_id)
    assert state.stages == undisturbed.state.stages
    assert lab.resume(first.run_id)[1].calls == []


UNIT = "evaluate", ("q0p5",)


class Cut(StubRunner):
    """One unit of it ends after three answers, as where the run's time is over."""

    def orchestra_runner(self, request):
        opened = super().orchestra_runner(request)
        whole = opened.evaluate

        def evaluate(configurations, queries):
            for n, one in enumerate(whole(configurations, queries)):
                over = Failure("deadline", "the time is over")
                is_cut = n == 3 and one.config_id == "q0p5"
                yield Observation(one.config_id, one.query_id, failure=over) if is_cut else one

        opened.evaluate = evaluate
        return opened

    orchestra_runner.orchestra_impl = StubRunner.orchestra_runner.orchestra_impl


def is_end_of(unit):
    return lambda event: event.event_type == "UNIT_DONE" and event.payload["unit"] == unit


def asked_within(whole, runner):
    """How many queries of the unit that was cut; no other has but these."""
    blocks = [queries for what, configs, queries in runner.calls if (what, configs) == UNIT]
    return sum(len(block) for block in blocks if set(block) <= set(whole))


def cut_after(lab, run_id, is_last):
    """Cut the journal after the last event that is `is_last`."""
    length = max(n for n, event in enumerate(lab.events(run_id), start=1) if is_last(event))
    lines = lab.journal(run_id).read_bytes().splitlines(keepends=True)
    lab.journal(run_id).write_bytes(b"".join(lines[:length]))


@pytest.mark.parametrize("which", [0, 1])
def test_of_a_unit_in_two_parts_only_what_was_lost_is_asked_again(lab, undisturbed, told, which):
    run_id = lab.run(Cut()).run_id
    (part,) = [e for e in done(lab.events(run_id)) if e.payload["queries"] == 3]
    unit = part.payload["unit"]
    lab.resume(run_id)
    parts = [event.payload for event in lab.events(run_id) if is_end_of(unit)(event)]
    assert [payload["queries"] for payload in parts] == [3, 1]
    cut_after(lab, run_id, is_end_of(unit))
    (Home(lab.home).units(run_id) / f"{parts[which]['result']}.jsonl.gz").unlink()
    whole = undisturbed.runner.calls[0][2]  # all of the smoke test get the same queries
    _, runner = lab.resume(run_id)
    assert asked_within(whole, runner) == [len(whole) - 1, 1][which]
    cut_after(lab, run_id, is_end_of(unit))
    outcome, runner = lab.resume(run_id)
    assert asked_within(whole, runner) == 0
    wanted, found = told(undisturbed.outcome), told(outcome)
    assert found.pop("requests") > wanted.pop("requests")
    assert sorted(found.pop("warnings")) == sorted([*wanted.pop("warnings"), LOST])
    assert found == wanted


def test_what_was_spent_in_vain_counts(lab):
    """Units that failed are asked again, but not without end."""
    experiment = {**lab.experiment, "limits": {"requests": 250}}
    lab = type(lab)(lab.home, experiment)
    runner = StubRunner(StubTarget(raises=RuntimeError("down"), cost=0.1))
    first = lab.run(runner)
    for _ in range(30):
        outcome, _ = lab.resume(first.run_id, StubRunner(StubTarget(raises=RuntimeError("down"))))
        if outcome.error.code == "budget":
            break
    assert "limits.requests" in outcome.error.message
    assert load_state(Home(lab.home), first.run_id).requests <= 250


# -- refusals ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"experiment": {"seed": 7}}, "experiment seed: 20251107 then, 7 now"),
        ({"experiment": {"stages": {"grid": {"sample": 30}}}}, "experiment stages grid sample"),
        ({"index": "2"}, "index 'stub'"),
    ],
)
def test_changes_are_listed_and_nothing_is_touched(lab, doomed, change, named):
    first = lab.run(doomed(at=5))
    before = lab.journal(first.run_id).read_bytes()
    if "experiment" in change:
        merged = {**lab.experiment, **change["experiment"]}
        lab = type(lab)(lab.home, merged)
    runner = StubRunner(StubTarget(index=change.get("index", "1")))
    with pytest.raises(RunChanged) as caught:
        lab.resume(first.run_id, runner)
    assert named in str(caught.value)
    assert any(named in told for told in caught.value.details["differences"])
    assert "--fork" in caught.value.hint
    assert lab.journal(first.run_id).read_bytes() == before
    assert runner.calls == []
    assert [opened.closed for opened in runner.opened] == [1] * len(runner.opened)


def test_another_plugin_is_a_change(lab, doomed):
    class Stranger:
        @hookimpl
        def orchestra_reflect(self, evidence):
            return Decision(kind="keep", rule="stranger", reason="looks fine")

    first = lab.run(doomed(at=5))
    with pytest.raises(RunChanged, match="plugin stranger: nothing then"):
        lab.resume(first.run_id, None, ("stranger", Stranger()))


def test_a_decision_that_comes_out_otherwise_is_refused(lab, doomed):
    class Moody:
        number = itertools.count()

        @hookimpl
        def orchestra_reflect(self, evidence):
            return Decision(kind="keep", rule="moody", reason=f"mood {next(self.number)}")

    moody = Moody()
    run = lab.run(doomed(at=9), ("moody", moody))
    outcome, _ = lab.resume(run.run_id, None, ("moody", moody))
    assert outcome.report.status == "failed"
    assert outcome.error.code == "run_changed"
    assert "REFLECTION_DECISION smoke 0" in outcome.error.message


def test_while_another_process_runs_it(lab, doomed):
    first = lab.run(doomed(at=5))
    lock = RunLock(Home(lab.home).lock(first.run_id))
    try:
        with pytest.raises(RunInUse) as caught:
            lab.resume(first.run_id)
    finally:
        lock.release()
    assert f"process {os.getpid()} on " in caught.value.message
    assert lab.resume(first.run_id)[0].report.status == "completed"


def test_a_run_of_an_older_version(lab):
    run = lab.run()
    started = dict(run.events[0].payload)
    del started["asked"]
    writer = JournalWriter(lab.journal("older"), "older", create=True)
    writer.append(EventType.RUN_STARTED, started)
    writer.close()
    with pytest.raises(RunChanged, match="older version"):
        lab.resume("older")


# -- forks ------------------------------------------------------------------------------------------


def test_a_fork_takes_what_still_holds(lab, doomed, undisturbed, told):
    first = lab.run(doomed(at=14))
    outcome, runner = lab.fork(first.run_id)
    assert outcome.report.run_id != first.run_id
    wanted, found = told(undisturbed.outcome), told(outcome)
    assert found.pop("requests") < wanted.pop("requests")
    assert found == wanted
    reused = [e for e in lab.events(outcome.report.run_id) if "reused_from" in e.payload]
    assert len(reused) == len(done(first.events)) > 0
    assert not set(runner.asked()) & set(first.runner.asked()[:-24])


def test_a_fork_asks_what_no_longer_holds(lab, doomed):
    first = lab.run(doomed(at=14))
    outcome, runner = lab.fork(first.run_id, StubRunner(StubTarget(index="2")))
    assert outcome.report.status == "completed"
    assert not [e for e in lab.events(outcome.report.run_id) if "reused_from" in e.payload]
    assert sent(runner)


# -- done -------------------------------------------------------------------------------------------


def test_a_finished_run_is_left_as_it_is(lab):
    run = lab.run()
    outcome, runner = lab.resume(run.run_id)
    assert outcome.report == run.report
    assert (outcome.exit_code, runner.calls, runner.opened) == (run.outcome.exit_code, [], [])
