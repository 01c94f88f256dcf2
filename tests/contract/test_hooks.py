"""Every hook, by name: when it is called, how answers combine, and what an error does (DESIGN §4).

`test_every_hook_has_a_test` keeps this file complete.
"""

import functools
import sys

import click
import pytest

from orchestra_core import (
    DatasetSource,
    Decision,
    LoadReport,
    LoadReportRequest,
    PolicyReceipt,
    Ruling,
    StrictModel,
    Tool,
    ToolContext,
    hookimpl,
    hookspecs,
)
from orchestra_core.artifacts import Home
from orchestra_core.builtin.threads import ThreadExecutor
from orchestra_core.errors import (
    DuplicateName,
    ExperimentError,
    HookError,
    OrchestraError,
    PluginLoadError,
    StorageError,
)
from orchestra_core.history import read_history
from orchestra_core.payloads import CommandRegistry
from orchestra_core.plugins.calls import HookCalls
from orchestra_core.plugins.manager import HOOK_NAMES, open_host
from orchestra_core.session import open_dataset
from orchestra_core.testing import StubDatasets, StubRunner, make_dataset

BOOM = RuntimeError("boom")


def plugin(**hooks):
    """A plugin object with the given functions as hooks."""
    marked = {name: staticmethod(hookimpl(_named(name, function))) for name, function in hooks.items()}
    return type("MadeInTest", (), marked)()


def _named(name, function):
    """The function with the signature that pluggy expects of that hook."""

    def hook(*arguments):
        return function(*arguments)

    return functools.update_wrapper(hook, getattr(hookspecs, name), updated=())


def boom(*_):
    raise BOOM


def calls_of(*plugins, errors=None):
    host = open_host(extra=plugins, discover=False)
    return HookCalls(host, on_error=(errors.append if errors is not None else lambda _error: None))


def plugin_errors(run):
    return [e.payload["error"] for e in run.of_type("PLUGIN_ERROR")]


def test_every_hook_has_a_test():
    tested = {name.removeprefix("test_") for name in globals() if name.startswith("test_orchestra")}
    missing = {hook for hook in HOOK_NAMES if not any(t.startswith(hook) for t in tested)}
    assert not missing
    assert not {t for t in tested if not any(t.startswith(hook) for hook in HOOK_NAMES)}


# -- settings ---------------------------------------------------------------------------------------


class Dial(StrictModel):
    level: int = 1


def dialled(seen):
    return plugin(
        orchestra_settings=lambda: Dial,
        orchestra_run_finished=lambda run: seen.append(run.settings),
    )


def test_orchestra_settings(run_orchestra):
    mine, other = [], []
    run_orchestra(
        ("mine", dialled(mine)),
        ("other", dialled(other)),
        ("none", plugin(orchestra_run_finished=lambda run: other.append(run.settings))),
        experiment={"plugins": {"mine": {"level": 7}}},
    )
    assert mine == [Dial(level=7)]
    assert sorted(map(str, other)) == ["None", "level=1"]


@pytest.mark.parametrize(
    ("give", "message"),
    [
        (boom, "RuntimeError: boom"),
        (lambda: {"level": 1}, "must return a pydantic model class"),
        (lambda: type("Loose", (StrictModel,), {"model_config": {"extra": "ignore"}}), "unknown keys"),
        (lambda: type("Needy", (StrictModel,), {"__annotations__": {"x": int}}), "Needy"),
    ],
)
def test_orchestra_settings_that_are_wrong_keep_the_plugin_out(give, message):
    host = open_host(discover=False)
    with pytest.raises(PluginLoadError, match="'bad'") as caught:
        open_host(extra=[("bad", plugin(orchestra_settings=give))], discover=False)
    assert message in caught.value.message
    assert "bad" not in host.statuses


# -- plan -------------------------------------------------------------------------------------------


def test_orchestra_datasets():
    calls = calls_of(
        ("a", StubDatasets([make_dataset(name="one")])), ("b", StubDatasets([make_dataset(name="two")]))
    )
    assert list(calls.datasets()) == ["beir", "ir_datasets", "one", "two"]


def test_orchestra_datasets_of_one_name_are_fatal_and_both_providers_named():
    calls = calls_of(("first", StubDatasets()), ("second", StubDatasets()))
    with pytest.raises(DuplicateName, match=r"'second' and 'first' provide 'stub'"):
        calls.datasets()


@pytest.mark.parametrize("answer", [boom, lambda: ["not a source"]])
def test_orchestra_datasets_that_fail_take_only_their_plugin_out(answer):
    calls = calls_of(("good", StubDatasets()), ("bad", plugin(orchestra_datasets=answer)))
    assert "stub" in calls.datasets()
    assert calls.host.statuses["bad"].status == "failed"
    assert "orchestra_datasets" in calls.host.statuses["bad"].error.message
    assert "stub" in calls.datasets()


def test_orchestra_datasets_that_fail_are_fatal_when_asked_for():
    calls = calls_of(("bad", plugin(orchestra_datasets=boom)))
    calls.host.required.add("bad")
    with pytest.raises(HookError, match="orchestra_datasets"):
        calls.datasets()


def test_orchestra_datasets_of_the_runs_own_runner_are_fatal_when_they_fail(run_orchestra):
    """Else the run would miss the runner that was unloaded, and not say why."""
    stub = StubRunner()
    broken = plugin(
        orchestra_describe_runner=stub.orchestra_describe_runner,
        orchestra_runner=stub.orchestra_runner,
        orchestra_datasets=boom,
    )
    with pytest.raises(HookError, match="failed in orchestra_datasets: RuntimeError: boom"):
        run_orchestra(runner=broken)


def opening(function, location=None):
    source = DatasetSource("faq", "", open=function, location=location or (lambda: None))
    return calls_of(("mine", plugin(orchestra_datasets=lambda: [source])))


@pytest.mark.parametrize(
    ("function", "cause"),
    [
        (boom, "RuntimeError: boom"),
        (lambda _: sys.exit(3), "SystemExit: 3"),
        (lambda _: {"q": "d"}, "with dict, expected Dataset"),
    ],
)
def test_orchestra_datasets_that_cannot_be_opened_name_plugin_and_dataset(function, cause):
    with pytest.raises(HookError, match=r"'mine' \(MadeInTest\).*'faq'") as caught:
        open_dataset(opening(function), "faq")
    assert cause in caught.value.message
    assert caught.value.details == {"plugin": "mine", "version": "", "hook": "orchestra_datasets"}


def test_orchestra_datasets_that_cannot_be_found_on_disk_name_plugin_and_dataset():
    source = opening(lambda _: make_dataset(), location=boom).datasets()["faq"]
    with pytest.raises(HookError, match=r"'mine' \(MadeInTest\).*'faq'.*boom"):
        source.location()


def test_orchestra_datasets_raise_their_own_words_unchanged():
    def missing(_):
        raise StorageError("not here", where="faq.db")

    with pytest.raises(StorageError, match=r"^faq\.db: not here$"):
        open_dataset(opening(missing), "faq")


def test_orchestra_datasets_that_failed_are_named_where_one_is_missed():
    calls = calls_of(("bad", plugin(orchestra_datasets=boom)))
    with pytest.raises(ExperimentError, match="no dataset 'faq'") as caught:
        open_dataset(calls, "faq")
    assert "plugin 'bad' (MadeInTest) failed in orchestra_datasets: RuntimeError: boom" in (
        caught.value.hint
    )


def test_orchestra_describe_runner(run_orchestra, stub_runner):
    stub_runner.defaults = {**stub_runner.defaults, "name": "named-by-runner"}
    assert run_orchestra().report.name == "named-by-runner"
    assert run_orchestra(experiment={"name": "named-by-user"}).report.name == "named-by-user"


@pytest.mark.parametrize("answer", [boom, lambda request: "fiqa"])
def test_orchestra_describe_runner_that_fails_refuses_the_run(run_orchestra, answer):
    runner = plugin(orchestra_describe_runner=answer, orchestra_runner=lambda request: None)
    with pytest.raises(HookError, match="orchestra_describe_runner"):
        run_orchestra(runner=runner)


def test_orchestra_plan(run_orchestra, stub_runner):
    """The first result wins, `None` leaves it to others, the core comes last."""
    from orchestra_core.builtin.planner import orchestra_plan

    asked = []

    def shorter(request):
        asked.append("shorter")
        return orchestra_plan(request).model_copy(update={"queries": 1})

    def silent(request):
        asked.append("silent")

    run = run_orchestra(
        ("shorter", plugin(orchestra_plan=shorter)), ("silent", plugin(orchestra_plan=silent))
    )
    assert asked == ["silent", "shorter"]
    assert run.state.started["plan"]["queries"] == 1


@pytest.mark.parametrize("answer", [boom, lambda request: {"stages": []}])
def test_orchestra_plan_that_fails_refuses_the_run(run_orchestra, stub_runner, tmp_path, answer):
    with pytest.raises(HookError, match=r"'planner'.*orchestra_plan"):
        run_orchestra(("planner", plugin(orchestra_plan=answer)))
    assert stub_runner.opened == []
    assert not (tmp_path / "home" / "reports").exists()


# -- run --------------------------------------------------------------------------------------------


def test_orchestra_runner(run_orchestra, stub_runner, tmp_path):
    """Only the chosen runner is asked; it gets every configuration, the baseline first."""
    run_orchestra(experiment={"baseline": {"quality": 0.2}})
    (request,) = stub_runner.requests
    assert [c.config_id for c in request.configurations] == ["q0p2", "q0p3", "q0p5", "q0p9"]
    assert request.cache_dir == tmp_path / "cache" / "plugins" / "stub_runner"
    assert [opened.closed for opened in stub_runner.opened] == [1]


def test_orchestra_runner_records_what_it_may(run_orchestra):
    class Emitting(StubRunner):
        @hookimpl
        def orchestra_runner(self, request):
            opened = StubRunner.orchestra_runner(self, request)
            self.emit = request.emit
            return opened

    runner = Emitting()

    def retry(event):
        if event.event_type == "SMOKE_STARTED":
            runner.emit("RETRY", {"attempt": 2})

    assert run_orchestra(plugin(orchestra_event=retry), runner=runner).state.retries == 1
    with pytest.raises(OrchestraError, match="RETRY"):
        runner.emit("RUN_COMPLETED", {})


@pytest.mark.parametrize(
    ("answer", "cause"),
    [(boom, "RuntimeError: boom"), (lambda request: object(), "object, which has no fingerprint()")],
)
def test_orchestra_runner_that_fails_refuses_the_run(run_orchestra, answer, cause):
    runner = StubRunner()
    broken = plugin(orchestra_describe_runner=runner.orchestra_describe_runner, orchestra_runner=answer)
    run = run_orchestra(runner=broken)
    assert isinstance(run.outcome.error, HookError)
    assert cause in run.outcome.error.message
    assert run.outcome.error.details["hook"] == "orchestra_runner"
    assert (run.report.status, run.outcome.exit_code) == ("failed", 2)
    assert not run.of_type("UNIT_DONE", "UNIT_FAILED")


class CountingExecutor(ThreadExecutor):
    closed = 0
    units = 0

    def run(self, units, evaluate):
        self.units += len(units)
        return super().run(units, evaluate)

    def close(self):
        self.closed += 1
        super().close()


def test_orchestra_executor(run_orchestra):
    executor = CountingExecutor(1, 10)
    seen = []

    def offer(request):
        seen.append((request.concurrency, request.unit_timeout_s))
        return executor

    run = run_orchestra(
        plugin(orchestra_executor=offer),
        experiment={"concurrency": 3, "runner": {"runner_timeout_s": 77.0}},
    )
    assert seen == [(3, 77.0)]
    assert executor.units == len(
        [e for e in run.of_type("UNIT_DONE") if e.payload["kind"] == "evaluate"]
    )
    assert executor.closed == 1


@pytest.mark.parametrize("answer", [boom, lambda request: object()])
def test_orchestra_executor_that_fails_refuses_the_run(run_orchestra, stub_runner, answer):
    run = run_orchestra(("bad", plugin(orchestra_executor=answer)))
    assert run.outcome.exit_code == 2
    assert "'bad'" in run.report.error["msg"]
    assert "orchestra_executor" in run.report.error["msg"]
    assert stub_runner.calls == []
    assert stub_runner.opened[0].closed == 1


# -- reflect ----------------------------------------------------------------------------------------

KEEP = Decision(kind="keep", rule="k", reason="wait")


def shrink(*names):
    return Decision(kind="shrink", rule="s", reason="fewer", survivors=names)


def reflecting(*answers):
    """Gives an answer once, in the first rung of the grid."""

    def reflect(evidence):
        return list(answers) if (evidence.stage, evidence.rung) == ("grid", 0) else None

    return plugin(orchestra_reflect=reflect)


def test_orchestra_reflect(run_orchestra):
    """All are recorded with plugin, stage and rung; several shrinks intersect."""
    run = run_orchestra(
        ("one", reflecting(shrink("q0p3", "q0p5"))),
        ("two", reflecting(KEEP, shrink("q0p5", "q0p9"))),
        experiment={"stages": {"grid": {"budget": 0.6}}},
    )
    found = [(d.plugin, d.kind, d.stage, d.rung) for d in run.report.decisions]
    assert found == [
        ("two", "keep", "grid", 0),
        ("two", "shrink", "grid", 0),
        ("one", "shrink", "grid", 0),
    ]
    assert run.report.rungs[0].survivors == ("q0p5",)
    assert set(run.report.rungs[0].dropped_forced) == {"q0p3", "q0p9"}


def test_orchestra_reflect_shrinks_that_leave_nobody_drop_nobody(run_orchestra):
    run = run_orchestra(
        ("one", reflecting(shrink("q0p3"))),
        ("two", reflecting(shrink("q0p9"))),
        experiment={"stages": {"grid": {"budget": 0.6}}},
    )
    assert run.report.rungs[0].survivors == ("q0p3", "q0p5", "q0p9")


@pytest.mark.parametrize("order", [1, -1])
def test_orchestra_reflect_the_most_severe_wins(run_orchestra, order):
    stop = Decision(kind="early_stop", rule="e", reason="enough")
    answers = [KEEP, shrink("q0p3", "q0p9"), stop][::order]
    run = run_orchestra(reflecting(*answers), experiment={"stages": {"grid": {"budget": 0.6}}})
    assert len(run.report.rungs) == 1
    assert run.report.verdict is not None  # the stage ended, not the run
    assert run.report.grid_decision.kind in {"early_stop", "shrink"}


@pytest.mark.parametrize("answer", [boom, lambda evidence: "shrink"])
def test_orchestra_reflect_that_fails_counts_as_keep(run_orchestra, answer):
    run = run_orchestra(("bad", plugin(orchestra_reflect=answer)))
    assert run.report.status == "completed"
    assert run.report.rungs[0].survivors == ("q0p3", "q0p5", "q0p9")
    first = plugin_errors(run)[0]
    assert "'bad'" in first["msg"]
    assert "orchestra_reflect" in first["msg"]


# -- guard ------------------------------------------------------------------------------------------


def ruling(kind, **more):
    return Ruling(kind=kind, rule="r", reason="because", **more)


def guarding(point, answer):
    return plugin(
        orchestra_guard=lambda evidence: answer(evidence) if evidence.point == point else None
    )


def test_orchestra_guard(run_orchestra):
    """Any deny wins, whoever else allows; nothing is published."""
    run = run_orchestra(
        ("lenient", guarding("publish", lambda evidence: ruling("allow"))),
        ("strict", guarding("publish", lambda evidence: [ruling("warn"), ruling("deny")])),
    )
    assert run.report.verdict.kind == "win"
    assert run.outcome.exit_code == 1
    assert run.report.published is False
    assert "strict" in run.report.not_published_because
    at_publish = [(r.plugin, r.kind) for r in run.report.rulings if r.point == "publish"]
    assert at_publish == [("strict", "warn"), ("strict", "deny"), ("lenient", "allow")]
    assert read_history(Home(run.home)) == []


def test_orchestra_guard_denies_a_plan_before_anything_is_sent(run_orchestra, stub_runner):
    run = run_orchestra(("no", guarding("plan", lambda evidence: ruling("deny", hint="Ask later."))))
    assert (run.outcome.exit_code, run.report.status) == (1, "failed")
    assert run.report.error["type"] == "denied"
    assert run.report.error["hint"] == "Ask later."
    assert (stub_runner.opened, stub_runner.calls) == ([], [])


@pytest.mark.parametrize("point", ["plan", "publish"])
@pytest.mark.parametrize("answer", [boom, lambda evidence: "allow"])
def test_orchestra_guard_that_fails_denies(run_orchestra, point, answer):
    run = run_orchestra(("broken", guarding(point, answer)))
    assert run.outcome.exit_code == 1
    denial = [r for r in run.report.rulings if r.kind == "deny"]
    assert [(r.plugin, r.rule, r.point) for r in denial] == [("broken", "guard_failed", point)]
    assert plugin_errors(run)


def test_orchestra_guard_sees_winner_and_baseline(run_orchestra):
    seen = []
    run_orchestra(guarding("publish", seen.append))
    (evidence,) = seen
    assert evidence.winner.config_id == "q0p9"
    assert evidence.verdict.kind == "win"
    assert 0 < evidence.baseline_metrics["recall@10"] < evidence.winner.metrics["recall@10"]


class Policy:
    """A policy store that writes down what happens to it."""

    def __init__(self, name, log, verified=True, fails=False, rollback_fails=False):
        self.name, self.log = name, log
        self.verified, self.fails, self.rollback_fails = verified, fails, rollback_fails

    @hookimpl
    def orchestra_apply_policy(self, winner):
        self.log.append(("apply", self.name, winner.winner.config_id))
        if self.fails:
            raise BOOM
        return PolicyReceipt(self.verified, "stored", {"before": self.name})

    @hookimpl
    def orchestra_rollback_policy(self, intent):
        self.log.append(("rollback", self.name, dict(intent.undo)))
        if self.rollback_fails:
            raise BOOM


def test_orchestra_apply_policy(run_orchestra):
    """All, in order, each after the other was verified; only for a win that no guard denied."""
    log = []
    first = run_orchestra(("a", Policy("a", log)), ("b", Policy("b", log)))
    assert log == [("apply", "b", "q0p9"), ("apply", "a", "q0p9")]
    assert first.report.published
    recorded = [
        (e.event_type, e.payload["plugin"]) for e in first.of_type("POLICY_INTENT", "POLICY_APPLIED")
    ]
    assert recorded == [
        ("POLICY_INTENT", "b"),
        ("POLICY_APPLIED", "b"),
        ("POLICY_INTENT", "a"),
        ("POLICY_APPLIED", "a"),
    ]


def test_orchestra_apply_policy_is_not_called_without_a_win(run_orchestra):
    log = []
    run = run_orchestra(("a", Policy("a", log)), experiment={"space": {"quality": [0.3]}})
    assert run.report.verdict.kind == "no_difference"
    assert log == []


def test_orchestra_apply_policy_gets_the_previous_winner(run_orchestra):
    seen = []

    def apply(winner):
        seen.append(winner.previous)
        return PolicyReceipt(True, "stored")

    first = run_orchestra(plugin(orchestra_apply_policy=apply))
    run_orchestra(plugin(orchestra_apply_policy=apply))
    assert seen[0] is None
    assert seen[1]["run_id"] == first.run_id


def test_orchestra_apply_policy_may_abstain(run_orchestra):
    log = []
    abstaining = plugin(
        orchestra_apply_policy=lambda winner: None,
        orchestra_rollback_policy=lambda intent: log.append("asked to undo nothing"),
    )
    run = run_orchestra(("bad", Policy("bad", log, fails=True)), ("idle", abstaining))
    assert ("rollback", "bad", {}) in log
    assert "asked to undo nothing" not in log
    assert not run.report.published


def test_orchestra_apply_policy_is_not_called_where_the_plugin_s_own_policy_is_null(run_orchestra):
    class Section(StrictModel):
        policy: str | None = None

    log = []
    idle = plugin(
        orchestra_settings=lambda: Section,
        orchestra_apply_policy=lambda winner: log.append(winner.settings.policy),
    )
    run = run_orchestra(("idle", idle))
    assert (log, run.of_type("POLICY_INTENT")) == ([], [])
    run_orchestra(("idle", idle), experiment={"plugins": {"idle": {"policy": "here"}}})
    assert log == ["here"]


def test_orchestra_apply_policy_gets_experiment_home_and_a_way_to_say_what_undoing_needs(
    run_orchestra, tmp_path
):
    """What was intended is in the journal, and comes back to the rollback of a plugin that raised."""
    seen, undone = [], []

    def apply(winner):
        seen.append((winner.experiment.name, winner.home, winner.intended))
        winner.intend({"was": [1, 2]})
        raise RuntimeError("half-way")

    fragile = plugin(
        orchestra_apply_policy=apply,
        orchestra_rollback_policy=lambda intent: undone.append((intent.undo, intent.home)),
    )
    run = run_orchestra(("fragile", fragile))
    assert seen == [("stub", run.home, None)]
    assert undone == [({"was": [1, 2]}, run.home)]
    intents = [e.payload.get("undo") for e in run.of_type("POLICY_INTENT")]
    assert intents == [None, {"was": [1, 2]}]


def test_orchestra_rollback_policy(run_orchestra):
    """Reverse order, the one that raised included; then the run fails."""
    log = []
    run = run_orchestra(
        ("never", Policy("never", log)),
        ("fails", Policy("fails", log, fails=True)),
        ("second", Policy("second", log)),
        ("first", Policy("first", log)),
    )
    assert [entry[:2] for entry in log] == [
        ("apply", "first"),
        ("apply", "second"),
        ("apply", "fails"),
        ("rollback", "fails"),
        ("rollback", "second"),
        ("rollback", "first"),
    ]
    assert dict(entry[1:] for entry in log[3:]) == {
        "fails": {},
        "second": {"before": "second"},
        "first": {"before": "first"},
    }
    assert run.report.status == "failed"
    assert "orchestra_apply_policy" in run.report.error["msg"]
    assert not run.report.published
    assert read_history(Home(run.home)) == []
    undone = [(e.payload["plugin"], e.payload["undone"]) for e in run.of_type("POLICY_ROLLED_BACK")]
    assert undone == [("fails", True), ("second", True), ("first", True)]


def test_orchestra_rollback_policy_when_a_policy_is_not_verified(run_orchestra):
    log = []
    run = run_orchestra(("a", Policy("a", log)), ("unsure", Policy("unsure", log, verified=False)))
    assert [entry[:2] for entry in log] == [("apply", "unsure"), ("rollback", "unsure")]
    assert run.report.status == "failed"
    assert "reading back" in run.report.error["msg"]


def test_orchestra_rollback_policy_that_raises_does_not_stop_the_others(run_orchestra):
    log = []
    run = run_orchestra(
        ("fails", Policy("fails", log, fails=True)),
        ("stuck", Policy("stuck", log, rollback_fails=True)),
        ("first", Policy("first", log)),
    )
    assert ("rollback", "first", {"before": "first"}) in log
    undone = {e.payload["plugin"]: e.payload["undone"] for e in run.of_type("POLICY_ROLLED_BACK")}
    assert undone == {"fails": True, "stuck": False, "first": True}
    assert any("orchestra_rollback_policy" in error["msg"] for error in plugin_errors(run))


def test_orchestra_rollback_policy_when_the_history_cannot_be_written(run_orchestra, tmp_path):
    """A policy in force that no history knows of would be the worst of both."""
    log = []

    def spoil(winner):
        home = tmp_path / "home"
        (home / "reports" / "winners.final.json").write_text("not JSON")
        return PolicyReceipt(True, "spoilt", {"was": "fine"})

    run = run_orchestra(
        ("spoiler", plugin(orchestra_apply_policy=spoil)), ("kept", Policy("kept", log))
    )
    assert isinstance(run.outcome.error, StorageError)
    assert log == [("apply", "kept", "q0p9"), ("rollback", "kept", {"before": "kept"})]
    assert run.outcome.exit_code == 3


# -- report -----------------------------------------------------------------------------------------


def test_orchestra_report(run_orchestra, stub_reporter):
    run = run_orchestra(stub_reporter)
    (report,) = stub_reporter.reports
    assert report.status == "completed"
    assert report.verdict == run.report.verdict
    assert run.outcome.artifacts == (f"reports/{run.run_id}/stub.json",)
    (written,) = run.of_type("ARTIFACT_WRITTEN")
    assert len(written.payload["sha256"]) == 64


def test_orchestra_report_runs_when_the_run_failed(run_orchestra, stub_runner, stub_reporter):
    stub_runner.target.healthy = False
    run_orchestra(stub_reporter)
    (report,) = stub_reporter.reports
    assert (report.status, report.error["type"]) == ("failed", "health")


def test_orchestra_report_isolates_a_failing_reporter(run_orchestra, stub_reporter):
    run = run_orchestra(
        stub_reporter,
        ("bad", plugin(orchestra_report=boom)),
        ("exits", plugin(orchestra_report=lambda request: sys.exit(9))),
    )
    assert len(stub_reporter.reports) == 1
    assert run.outcome.exit_code == 0
    assert [e["details"]["plugin"] for e in plugin_errors(run)] == ["exits", "bad"]


def test_orchestra_report_with_a_failing_disk_is_an_infrastructure_error(run_orchestra):
    """Whether the reporter lets the disk's error through or wraps it in one of its own."""

    class Wrapped(OrchestraError):
        pass

    def fail(request):
        raise StorageError("disk is full")

    def wrap(request):
        try:
            fail(request)
        except StorageError as error:
            raise Wrapped("some artifacts failed") from error

    for reporter in (fail, wrap):
        run = run_orchestra(plugin(orchestra_report=reporter))
        assert run.outcome.exit_code == 3
        assert isinstance(run.outcome.error, StorageError)


LOADED = LoadReport(
    load_id="load-1",
    created_at="2025-11-07T10:15:00Z",
    dataset="stub",
    config_id="c",
    limit_ms=250.0,
    step_seconds=1.0,
    steps=(),
    highest_rate=None,
    ended="found",
)


def test_orchestra_load_report(tmp_path):
    """Every reporter gets the report and a folder; what one raises is told, and the others go on."""
    folder = Home(tmp_path).report_folder(LOADED.load_id)
    errors = []
    calls = calls_of(
        (
            "writes",
            plugin(orchestra_load_report=lambda r: r.artifacts.write_text("a", r.report.dataset)),
        ),
        ("bad", plugin(orchestra_load_report=boom)),
        errors=errors,
    )
    assert calls.load_report(LoadReportRequest(LOADED, folder)) is None
    assert (tmp_path / "reports" / "load-1" / "a").read_text() == "stub"
    assert [error.details["plugin"] for error in errors] == ["bad"]


def test_orchestra_load_report_with_a_failing_disk_says_so(tmp_path):
    def fail(request):
        raise StorageError("disk is full")

    calls = calls_of(("full", plugin(orchestra_load_report=fail)), errors=[])
    folder = Home(tmp_path).report_folder(LOADED.load_id)
    assert isinstance(calls.load_report(LoadReportRequest(LOADED, folder)), StorageError)


# -- observe ----------------------------------------------------------------------------------------


def test_orchestra_event(run_orchestra):
    """Every event, in order, after it was written."""
    seen = []
    run = run_orchestra(
        plugin(orchestra_event=lambda event: seen.append((event.seq, event.event_type)))
    )
    assert seen == [(e.seq, e.event_type) for e in run.events]


def test_orchestra_event_is_muted_after_three_errors(run_orchestra):
    counts = {"bad": 0, "good": 0}

    def bad(event):
        counts["bad"] += 1
        raise BOOM

    def good(event):
        counts["good"] += 1

    run = run_orchestra(("bad", plugin(orchestra_event=bad)), ("good", plugin(orchestra_event=good)))
    assert counts["bad"] == 3
    assert counts["good"] == len(run.events)
    *errors, muted = [error["msg"] for error in plugin_errors(run)]
    assert len(errors) == 3
    assert all("boom" in error for error in errors)
    assert "'bad'" in muted
    assert "is muted after 3 errors in orchestra_event" in muted
    assert run.outcome.exit_code == 0


FINISHES = {
    "completed": ({}, "completed", 0, None),
    "failed": ({"healthy": False}, "failed", 3, "health"),
    "cancelled": ({"raises_in_probe": KeyboardInterrupt()}, "cancelled", 130, "cancelled"),
}


@pytest.mark.parametrize("ending", FINISHES)
def test_orchestra_run_finished(run_orchestra, stub_runner, ending):
    behaviour, status, code, kind = FINISHES[ending]
    for name, value in behaviour.items():
        setattr(stub_runner.target, name, value)
    seen = []
    run_orchestra(
        ("bad", plugin(orchestra_run_finished=boom)),
        ("seen", plugin(orchestra_run_finished=seen.append)),
        ("worse", plugin(orchestra_run_finished=boom)),
    )
    (run,) = seen
    assert (run.status, run.exit_code) == (status, code)
    assert (run.error and run.error["type"]) == kind


# -- surface ----------------------------------------------------------------------------------------


def registry(found):
    def add(command):
        if command.name in found:
            raise DuplicateName(f"two commands are called '{command.name}'")
        found[command.name] = command

    return lambda _plugin: CommandRegistry(add)


def adding(name):
    return plugin(orchestra_commands=lambda cli: cli.add(click.Command(name)))


def test_orchestra_commands():
    found = {}
    calls_of(("a", adding("one")), ("b", adding("two"))).commands(registry(found))
    assert sorted(found) == ["one", "two"]


def test_orchestra_commands_of_one_name_are_fatal():
    with pytest.raises(DuplicateName, match="'same'"):
        calls_of(("a", adding("same")), ("b", adding("same"))).commands(registry({}))


def test_orchestra_commands_that_fail_take_only_their_plugin_out():
    found = {}
    calls = calls_of(("good", adding("one")), ("bad", plugin(orchestra_commands=boom)))
    calls.commands(registry(found))
    assert sorted(found) == ["one"]
    assert calls.host.statuses["bad"].status == "failed"


def tool(name):
    return Tool(name, "A tool", Dial, lambda arguments: {"level": arguments.level})


def test_orchestra_tools(tmp_path):
    calls = calls_of(("a", plugin(orchestra_tools=lambda context: [tool("turn")])))
    tools = calls.tools(ToolContext(tmp_path))
    assert sorted(tools) == ["list_runs", "run_report", "turn"]
    assert tools["turn"].call(Dial(level=3)) == {"level": 3}


def test_orchestra_tools_of_one_name_are_fatal(tmp_path):
    clash = plugin(orchestra_tools=lambda context: [tool("list_runs")])
    with pytest.raises(DuplicateName, match=r"'clash'.*'core.run_tools'.*'list_runs'"):
        calls_of(("clash", clash)).tools(ToolContext(tmp_path))


def test_orchestra_tools_that_fail_take_only_their_plugin_out(tmp_path):
    calls = calls_of(("bad", plugin(orchestra_tools=boom)))
    assert sorted(calls.tools(ToolContext(tmp_path))) == ["list_runs", "run_report"]
    assert calls.host.statuses["bad"].status == "failed"


# -- all of them ------------------------------------------------------------------------------------


def test_hooks_run_in_the_order_of_the_story(run_orchestra):
    """The whole of a run that wins, as one list (events and repeats left out)."""
    log = []

    def noting(name, function=None):
        def hook(*arguments):
            if not log or log[-1] != name:
                log.append(name)
            return function(*arguments) if function else None

        return hook

    stub = StubRunner()

    hooks = {
        "orchestra_settings": noting("settings", lambda: Dial),
        "orchestra_describe_runner": noting("describe_runner", stub.orchestra_describe_runner),
        "orchestra_datasets": noting("datasets", list),
        "orchestra_plan": noting("plan"),
        "orchestra_runner": noting("runner", stub.orchestra_runner),
        "orchestra_executor": noting("executor"),
        "orchestra_reflect": lambda evidence: noting(f"reflect {evidence.stage}")(evidence),
        "orchestra_guard": lambda evidence: noting(f"guard {evidence.point}")(evidence),
        "orchestra_apply_policy": noting("apply_policy"),
        "orchestra_report": noting("report"),
        "orchestra_run_finished": noting("run_finished"),
    }
    run = run_orchestra(runner=plugin(**hooks))
    assert run.report.published
    assert log == [
        "settings",
        "describe_runner",
        "datasets",
        "plan",
        "guard plan",
        "runner",
        "executor",
        "reflect smoke",
        "reflect grid",
        "guard publish",
        "apply_policy",
        "report",
        "run_finished",
    ]


def test_an_error_names_plugin_version_hook_cause_and_next_step():
    from importlib.metadata import version

    from orchestra_core.plugins.discovery import PluginCandidate

    host = open_host(discover=False)
    candidate = PluginCandidate("mine", "mine.plugin", "orchestra-mine", "1.2.3")
    host.register(plugin(orchestra_plan=boom), candidate)
    with pytest.raises(HookError) as caught:
        HookCalls(host).plan(None)
    for part in ("'mine'", "orchestra-mine 1.2.3", "orchestra_plan", "RuntimeError: boom"):
        assert part in caught.value.message
    assert "no:mine" in caught.value.hint
    assert caught.value.__cause__ is BOOM
    assert version("pluggy")


def test_tryfirst_and_trylast_are_honoured():
    order = []

    def sources(name):
        return lambda: order.append(name) or [DatasetSource(name, "", open=lambda _rest: None)]

    class First:
        orchestra_datasets = staticmethod(hookimpl(tryfirst=True)(sources("first")))

    class Last:
        orchestra_datasets = staticmethod(hookimpl(trylast=True)(sources("last")))

    class Middle:
        orchestra_datasets = staticmethod(hookimpl(sources("middle")))

    calls_of(("first", First()), ("last", Last()), ("middle", Middle())).datasets()
    assert order == ["first", "middle", "last"]
