"""Whole runs with stub plugins: each way a run can end, and what it leaves."""

import gzip
import json
import threading
from dataclasses import replace

import numpy as np
import pytest
from orchestra_reflection_rules import plugin as reflection_rules

from orchestra_core import Configuration, Decision, hookimpl
from orchestra_core.artifacts import Home
from orchestra_core.errors import ExperimentError
from orchestra_core.history import broken_records, read_history
from orchestra_core.journal import memory
from orchestra_core.testing import StubRunner, StubTarget
from orchestra_core.testing.stubs import chance, make_dataset
from orchestra_core.verification.check import verify_run

RULES = ("reflection_rules", reflection_rules)
STAGES = ("SMOKE", "GRID", "AB", "SELECT", "PUBLISH")


def ending(run):
    report = run.report
    return report.status, report.verdict and report.verdict.kind, run.outcome.exit_code


def remembered(run):
    (entry,) = [e for e in memory.entries(Home(run.home)) if e["run_id"] == run.run_id]
    return entry


def test_a_stop_in_the_grid_leaves_its_rung_on_record(run_orchestra):
    class StopsInTheGrid:
        @hookimpl
        def orchestra_reflect(self, evidence):
            kind = "early_stop" if evidence.stage == "grid" else "keep"
            return Decision(kind=kind, scope="run", rule="enough", reason="seen enough")

    run = run_orchestra(("stops", StopsInTheGrid()))
    assert ending(run) == ("early_stopped", None, 3)
    assert [rung.rung for rung in run.report.rungs] == [0]
    assert run.report.not_published_because == "seen enough"
    assert remembered(run)["stages"]["grid"] == "failed"


# -- verdicts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("plugins", [(), (RULES,)])
def test_win(run_orchestra, plugins):
    run = run_orchestra(*plugins)
    assert ending(run) == ("completed", "win", 0)
    assert (run.report.winner.config_id, run.report.winner.is_baseline) == ("q0p9", False)
    assert run.report.published
    (record,) = read_history(Home(run.home))
    assert (record["run_id"], record["winner"]["config_id"]) == (run.run_id, "q0p9")


def test_no_difference_when_the_baseline_leads(run_orchestra, stub_runner):
    run = run_orchestra(experiment={"baseline": {"quality": 0.9}})
    assert ending(run) == ("completed", "no_difference", 0)
    assert run.report.winner.is_baseline
    assert not run.report.published
    assert "no_difference" in run.report.not_published_because
    assert read_history(Home(run.home)) == []
    assert not [call for call in stub_runner.calls if call[0] == "probe" and len(call[2]) > 2]


@pytest.mark.parametrize(
    ("epsilon", "kind", "code"), [(0.1, "no_difference", 0), (0.005, "inconclusive", 4)]
)
def test_twins_are_alike_as_far_as_the_queries_can_tell(run_orchestra, epsilon, kind, code):
    """The challenger finds exactly the same documents: 40 queries show that within 0.1, not 0.005."""
    grid = {"sample": 20, "budget": 1.0, "epsilon": epsilon}
    run = run_orchestra(experiment={"space": {"delay": [0.5]}, "stages": {"grid": grid}})
    assert ending(run) == ("completed", kind, code)
    verdict = run.report.verdict
    assert verdict.challenger != verdict.baseline
    assert verdict.ties == verdict.queries


def test_twins_say_how_many_queries_would_settle_it(run_orchestra):
    """None of n queries differing leaves 1 - (alpha/2)^(1/n); that is 0.005 at n = 736 for 95%."""
    grid = {"sample": 20, "budget": 1.0, "epsilon": 0.005}
    run = run_orchestra(experiment={"space": {"delay": [0.5]}, "stages": {"grid": grid}})
    alpha = 1 - run.report.verdict.confidence
    needed = run.report.verdict.queries_needed
    assert 1 - (alpha / 2) ** (1 / needed) <= 0.005 < 1 - (alpha / 2) ** (1 / (needed - 1))


def test_regression(run_orchestra):
    """The grid can only lead to a worse configuration; the A/B sees that."""
    run = run_orchestra(experiment={"baseline": {"quality": 0.95}, "space": {"quality": [0.2]}})
    assert ending(run) == ("completed", "regression", 1)
    assert run.report.winner.is_baseline
    assert not run.report.published


def test_regression_by_latency(run_orchestra):
    """Better answers, a hundred times slower than the margin allows."""
    run = run_orchestra(experiment={"space": {"quality": [0.9], "delay": [500]}})
    assert ending(run) == ("completed", "regression", 1)
    assert "p95_ms" in run.report.verdict.reason


def test_inconclusive_takes_a_second_look(run_orchestra, stub_runner):
    stub_runner.target.nested = False
    run = run_orchestra(
        experiment={
            "baseline": {"quality": 0.50},
            "space": {"quality": [0.52]},
            "stages": {"ab": {"sample": 20}},
        }
    )
    assert ending(run) == ("completed", "inconclusive", 4)
    verdict = run.report.verdict
    assert (verdict.looks, verdict.queries) == (2, 60)
    assert verdict.queries_needed > 60
    assert not run.report.published


def test_constraints_keep_a_slow_configuration_from_leading(run_orchestra):
    run = run_orchestra(
        experiment={
            "objective": {"subject_to": {"p95_ms": 10.0}},
            "baseline": {"quality": 0.3, "delay": 1.0},
            "space": {"quality": [0.9, 0.8], "delay": [1.0, 50.0]},
        }
    )
    assert run.report.winner.config_id == "q0p9-d1"


# -- the data's way ---------------------------------------------------------------------------------


def test_tuning_and_confirmation_queries_never_meet(run_orchestra, stub_runner):
    run = run_orchestra(RULES)
    asked = {"smoke": set(), "grid": set(), "ab": set()}
    for event in run.of_type("JOB_DONE"):
        path = run.home / event.payload["path"] / "queries.jsonl"
        ids = {json.loads(line)["query_id"] for line in path.read_text().splitlines()}
        asked[event.payload["stage"]] |= ids
    assert asked["ab"]
    assert not asked["ab"] & (asked["smoke"] | asked["grid"])
    assert {q for _c, q in stub_runner.asked()} == set.union(*asked.values())


@pytest.mark.parametrize("shares_work", [True, False])
def test_sharing_work_changes_no_verdict(run_orchestra, shares_work):
    target = StubTarget(shares_work=shares_work)
    run = run_orchestra(RULES, runner=StubRunner(target))
    again = run_orchestra(RULES, runner=StubRunner(StubTarget(timed=True)))
    assert run.report.verdict.diff_table[0] == again.report.verdict.diff_table[0]
    assert [r.survivors for r in run.report.rungs] == [r.survivors for r in again.report.rungs]


def test_no_pair_is_asked_twice_in_a_stage(run_orchestra, stub_runner):
    run_orchestra(RULES)
    grid = [pair for pair in stub_runner.asked() if pair[0] != "q0p3"]
    smoke_and_grid_and_ab = {pair: grid.count(pair) for pair in grid}
    assert max(smoke_and_grid_and_ab.values()) <= 2  # smoke and grid look at the same queries


def test_without_reflection_the_grid_stops_at_its_budget(run_orchestra):
    run = run_orchestra(experiment={"stages": {"grid": {"budget": 0.5}}})
    assert run.report.status == "completed"
    # Five queries for everyone, then the whole sample for two: the last block is cut to what is left.
    allowed = 3 * 5 + 2 * 15
    assert allowed - 3 < run.report.evaluations <= allowed < run.report.evaluations_full
    assert run.report.rungs[-1].queries == 15


def test_a_timed_runner_is_not_probed_in_the_grid(run_orchestra, stub_runner):
    stub_runner.target.timed = True
    run = run_orchestra()
    probes = {e.payload["stage"] for e in run.of_type("UNIT_DONE") if e.payload["kind"] == "probe"}
    assert probes == {"ab"}
    assert all(c.metrics["p95_ms"] is not None for c in run.report.candidates)


def test_the_arms_are_timed_in_turns(run_orchestra, stub_runner):
    run_orchestra(experiment={"stages": {"grid": {"probe": 0}}})
    arms = [configs[0] for method, configs, _queries in stub_runner.calls if method == "probe"]
    assert arms == ["q0p3", "q0p9", "q0p9", "q0p3", "q0p3", "q0p9", "q0p9", "q0p3"]


def test_a_closed_load_has_as_many_requests_under_way_as_it_says(run_orchestra, stub_runner):
    """One request at a time, 10 ms each: the last of twenty clients waits for all others."""
    stub_runner.target = StubTarget(latency_ms=10.0, waits=True)
    load, margin = {"mode": "closed", "concurrency": 20}, {"p95_ms": 1000}
    stages = {"grid": {"probe": 0}, "ab": {"sample": 80, "load": load, "margin": margin}}
    run = run_orchestra(experiment={"stages": {"confirmation": 0.7, **stages}})
    assert run.report.job("ab", "q0p3").metrics["p95_ms"] > 150


def test_more_clients_than_a_block_has_queries_are_refused(run_orchestra):
    load = {"mode": "closed", "concurrency": 11}
    with pytest.raises(ExperimentError, match="11 clients are never busy at once") as caught:
        run_orchestra(experiment={"stages": {"ab": {"sample": 40, "load": load}}})
    assert "Give at most 10" in caught.value.hint


def test_the_arms_are_timed_under_the_load_of_the_experiment(run_orchestra, stub_runner):
    """Both arms meet a block at the same moments; the report says how it was timed."""
    load = {"mode": "open", "rate": 50.0, "arrivals": "poisson"}
    run = run_orchestra(experiment={"stages": {"grid": {"probe": 0}, "ab": {"load": load}}})
    loads = stub_runner.opened[0].loads
    assert {(one.mode, one.rate, one.arrivals) for one in loads} == {("open", 50.0, "poisson")}
    seeds = [one.seed for one in loads]
    assert seeds[::2] == seeds[1::2]
    assert len(set(seeds)) == len(seeds) / 2
    assert run.report.ab_load == "open, 50/s poisson"


def test_without_a_load_the_arms_are_timed_by_one_client(run_orchestra, stub_runner):
    run = run_orchestra()
    assert {(one.mode, one.concurrency) for one in stub_runner.opened[0].loads} == {("closed", 1)}
    assert run.report.ab_load == "closed, 1 client"


def test_each_arm_tells_its_percentiles_with_intervals_and_counts_its_errors(
    run_orchestra, stub_runner
):
    stub_runner.target.failing = lambda config_id, query_id: (
        config_id == "q0p9" and query_id.endswith("3") and stub_runner.calls[-1][0] == "probe"
    )
    run = run_orchestra()
    baseline, challenger = (run.report.job("ab", config_id).probe for config_id in ("q0p3", "q0p9"))
    assert baseline.errors == {}
    assert challenger.errors == {"stub_failure": challenger.requests - challenger.answered}
    assert challenger.answered < challenger.requests == baseline.requests
    for name, found in baseline.latency.items():
        assert found.ci_low <= found.value <= found.ci_high
        assert found.value == run.report.job("ab", "q0p3").metrics[name]
    assert {job.probe for job in run.report.jobs if job.stage != "ab"} == {None}


class HeldBack(StubRunner):
    """A runner whose requests count against `runner.rate_limit_per_sec`."""

    @hookimpl
    def orchestra_describe_runner(self, request):
        return replace(super().orchestra_describe_runner(request), rate_limited=True)


def test_a_rate_that_the_runner_would_hold_back_is_no_plan(run_orchestra):
    stages = {"ab": {"load": {"mode": "open", "rate": 50.0}}}
    with pytest.raises(ExperimentError, match=r"more than runner\.rate_limit_per_sec = 4") as caught:
        run_orchestra(experiment={"stages": stages}, runner=HeldBack())
    assert "stages.ab.load.rate" in str(caught.value.where)


def test_costs_and_requests_add_up(run_orchestra, stub_runner):
    stub_runner.target.cost = 0.001
    run = run_orchestra()
    probed = len(stub_runner.asked("probe"))
    probes = [call for call in stub_runner.calls if call[0] == "probe"]
    stages = {stage["name"]: stage for stage in run.state.started["plan"]["stages"]}
    in_grid = sum(
        len(rung.survivors) + len(rung.dropped_certain + rung.dropped_forced)
        for rung in run.report.rungs
    )
    warmups = stages["grid"]["warmup"] * in_grid + 2 * stages["ab"]["warmup"]
    assert len(probes) > in_grid > 0
    assert run.report.requests == len(stub_runner.asked()) + probed + warmups
    assert run.report.cost_usd == pytest.approx(probed * 0.001)
    assert run.report.requests <= run.state.started["plan"]["stages"][0]["requests"] + sum(
        stage["requests"] for stage in run.state.started["plan"]["stages"][1:]
    )


# -- failures ---------------------------------------------------------------------------------------


def test_all_requests_failing_stops_early_with_a_report(run_orchestra, stub_runner, stub_reporter):
    stub_runner.target.failing = lambda config_id, query_id: True
    run = run_orchestra(RULES, stub_reporter)
    assert ending(run) == ("early_stopped", None, 3)
    assert run.report.failures == {"stub_failure": 15}
    assert "15 of 15" in run.report.not_published_because
    assert stub_reporter.reports[0].status == "early_stopped"
    assert remembered(run)["status"] == "early_stopped"
    assert remembered(run)["decisions"][0]["rule"] == "failure_rate"
    assert {job.status for job in run.report.jobs} == {"failed"}


def test_a_dead_target_is_no_verdict_without_reflection_either(run_orchestra, stub_runner):
    stub_runner.target.failing = lambda config_id, query_id: True
    run = run_orchestra()
    assert ending(run) == ("failed", None, 3)
    assert "stub_failure (15)" in run.report.error["msg"]


def test_a_failed_query_scores_zero_and_is_counted(run_orchestra, stub_runner):
    stub_runner.target.failing = lambda config_id, query_id: chance_of(query_id) < 0.2
    run = run_orchestra(RULES)
    assert run.report.status == "completed"
    verdict = run.report.verdict
    assert len(verdict.warnings) >= 2
    job = run.report.job("ab", "q0p9")
    assert job.failures_by_reason == {"stub_failure": job.metrics["failures"]}
    assert job.metrics["count"] == verdict.queries
    rows = queries_of(run, job)
    assert all(row["scores"]["recall@10"] == 0.0 for row in rows if row["failure"])


def chance_of(query_id):
    from orchestra_core.testing.stubs import chance

    return chance("failing", query_id)


def queries_of(run, job):
    path = run.home / job.path / "queries.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_failing_health_sends_nothing(run_orchestra, stub_runner, stub_reporter):
    stub_runner.target.healthy = False
    run = run_orchestra(stub_reporter)
    assert ending(run) == ("failed", None, 3)
    assert run.report.error == {
        "type": "health",
        "msg": "the health check failed: the stub is unwell",
        "hint": "Make it healthy.",
        "details": {},
    }
    assert stub_runner.calls == []
    assert [e.event_type for e in run.of_type("HEALTH_OK", "HEALTH_FAIL")] == ["HEALTH_FAIL"]
    assert stub_reporter.reports
    assert stub_runner.opened[0].closed == 1


@pytest.mark.parametrize(
    ("raised", "kind"),
    [(ValueError("bad day"), "ValueError"), (SystemExit(1), "SystemExit")],
)
def test_a_raising_runner_fails_its_units_not_the_program(run_orchestra, stub_runner, raised, kind):
    stub_runner.target.raises = raised
    run = run_orchestra(RULES)
    assert ending(run) == ("early_stopped", None, 3)
    assert run.report.failures == {kind: 15}
    assert {e.payload["error"]["type"] for e in run.of_type("UNIT_FAILED")} == {kind}


def test_a_hanging_runner_times_out(run_orchestra, stub_runner):
    stub_runner.target.blocked_by = threading.Event()
    try:
        run = run_orchestra(RULES, experiment={"runner": {"runner_timeout_s": 0.1}})
    finally:
        stub_runner.target.blocked_by.set()
    assert ending(run) == ("early_stopped", None, 3)
    assert run.report.failures == {"timeout": 15}
    assert run.of_type("RUNNER_TIMEOUT")
    assert "runner_timeout_s" in run.of_type("RUNNER_TIMEOUT")[0].payload["error"]["hint"]


def test_foreign_ids_stop_the_run_with_examples_of_both(run_orchestra, stub_runner):
    stub_runner.target.foreign_ids = True
    run = run_orchestra()
    assert ending(run) == ("failed", None, 3)
    assert run.report.error["type"] == "ids"
    assert run.report.error["msg"].count("foreign-d") == 3
    assert "d0000, d0001, d0002" in run.report.error["msg"]
    assert run.report.error["details"]["overlap"] == run.report.ids.share == 0.0
    assert len(run.report.ids.retrieved) == len(run.report.ids.dataset) == 3
    assert all(example.startswith("foreign-d") for example in run.report.ids.retrieved)


@pytest.mark.parametrize("where", ["raises", "raises_in_probe"])
def test_an_interrupt_cancels_with_a_report(run_orchestra, stub_runner, stub_reporter, where):
    """In `evaluate`, on a worker thread, as well as in `probe`, on the main one."""
    setattr(stub_runner.target, where, KeyboardInterrupt())
    run = run_orchestra(stub_reporter)
    assert ending(run) == ("cancelled", None, 130)
    assert stub_reporter.reports[0].status == "cancelled"
    assert remembered(run)["status"] == "cancelled"
    assert stub_runner.opened[0].closed == 1


@pytest.mark.parametrize("raised", [ValueError("no clock"), SystemExit(1)])
def test_a_raising_probe_is_counted_and_no_latency_is_claimed(run_orchestra, stub_runner, raised):
    stub_runner.target.raises_in_probe = raised
    run = run_orchestra()
    assert ending(run) == ("completed", "inconclusive", 4)
    assert "p95_ms may be endless: timed requests failed" in run.report.verdict.reason
    assert run.report.failures == {type(raised).__name__: len(stub_runner.asked("probe"))}
    assert run.report.job("ab", "q0p9").metrics["p95_ms"] is None
    latency = [row for row in run.report.verdict.diff_table if row.unit == "ms"]
    assert [(row.baseline, row.delta, row.ci_high) for row in latency] == [(None, None, None)] * 3


def failing_probes(stub_runner, share):
    """The challenger's timed requests fail, so many of them; its rankings are all there."""
    asked = [f"q{i:04}" for i in range(120)]
    luck = sorted(asked, key=lambda query_id: chance("probe", query_id))
    gone = set(luck[: round(share * len(asked))])
    stub_runner.target.failing = lambda config_id, query_id: (
        config_id != "q0p3" and query_id in gone and stub_runner.calls[-1][0] == "probe"
    )


@pytest.mark.parametrize(
    ("share", "margin", "verdict"),
    [
        (0.08, {"p50_ms": 25}, "win"),
        (0.08, {"p95_ms": 25}, "inconclusive"),
        (0.04, {"p99_ms": 25}, "inconclusive"),
        (0.0, {"p99_ms": 25}, "win"),
    ],
)
def test_a_timed_request_that_failed_is_endlessly_slow(
    run_orchestra, stub_runner, share, margin, verdict
):
    """A few time-outs say nothing of the median, and all of the tail."""
    failing_probes(stub_runner, share)
    stages = {"confirmation": 0.7, "ab": {"sample": 80, "margin": margin}}
    run = run_orchestra(experiment={"stages": stages})
    assert run.report.verdict.kind == verdict, run.report.verdict.reason
    rows = {row.metric: row for row in run.report.verdict.diff_table}
    assert rows["p50_ms"].ci_high is not None
    told = [w for w in run.report.verdict.warnings if "timed requests of baseline" in w]
    assert [w for w in told if "endlessly slow" in w] == told
    assert len(told) == (1 if share else 0)
    if verdict == "inconclusive":
        (metric,) = margin
        assert rows[metric].ci_high is None
        assert f"{metric} may be endless" in run.report.verdict.reason


@pytest.mark.parametrize(
    ("sample", "margin", "verdict"),
    [
        (30, {"p95_ms": 25}, "inconclusive"),
        (30, {"p50_ms": 25}, "win"),
        (40, {"p95_ms": 25}, "win"),
    ],
)
def test_a_tail_needs_forty_timed_requests(run_orchestra, sample, margin, verdict):
    stages = {"confirmation": 0.25, "ab": {"sample": sample, "margin": margin}}
    found = run_orchestra(experiment={"stages": stages}).report.verdict
    assert (found.kind, found.looks) == (verdict, 1), found.reason
    if verdict == "inconclusive":
        assert "30 timed requests are too few for p95_ms; at least 40" in found.reason
        assert (found.undecided, found.queries_needed) == ("p95_ms", 40)


def test_where_too_little_was_timed_for_a_tail_the_next_look_times_more(run_orchestra):
    stages = {"ab": {"sample": 30, "margin": {"p95_ms": 25}}}
    found = run_orchestra(experiment={"stages": stages}).report.verdict
    assert (found.kind, found.looks, found.queries) == ("win", 2, 60)


@pytest.mark.parametrize(
    ("limits", "limit"),
    [({"cost_usd": 0.01}, "cost_usd"), ({"wall": 0.000001}, "wall")],
)
def test_an_exhausted_budget_ends_the_run_with_a_report(run_orchestra, stub_runner, limits, limit):
    stub_runner.target.timed, stub_runner.target.cost = True, 0.002
    run = run_orchestra(experiment={"limits": limits})
    assert ending(run) == ("failed", None, 3)
    assert run.report.error["type"] == "budget"
    assert run.report.error["details"] == {"limit": limit}
    assert remembered(run)["status"] == "failed"


def test_a_budget_that_ends_before_the_second_look_leaves_the_first_ones_verdict(
    run_orchestra, stub_runner
):
    stub_runner.target = StubTarget(nested=False, timed=True, cost=0.002)
    asked = {
        "baseline": {"quality": 0.5},
        "space": {"quality": [0.52]},
        "stages": {"ab": {"sample": 30}},
    }
    whole = run_orchestra(experiment=asked)
    assert whole.report.verdict.looks == 2
    short = run_orchestra(experiment={**asked, "limits": {"cost_usd": whole.report.cost_usd - 0.01}})
    verdict = short.report.verdict
    assert ending(short) == ("completed", "inconclusive", 4), short.report.error
    assert (verdict.looks, verdict.queries) == (1, 30)
    assert verdict.warnings[-1].startswith("a limit of the run was reached before the A/B's next look")
    assert not [w for w in whole.report.verdict.warnings if "limit of the run" in w]
    again = verify_run(Home(short.home), short.run_id, lambda _name: make_dataset())
    assert again.findings == []


def test_a_plan_beyond_the_request_limit_is_denied(run_orchestra, stub_runner):
    run = run_orchestra(experiment={"limits": {"requests": 100}})
    assert ending(run) == ("failed", None, 1)
    assert "limits.requests = 100" in run.report.error["msg"]
    assert stub_runner.calls == []


def test_a_winner_beyond_a_constraint_is_not_published(run_orchestra):
    run = run_orchestra(experiment={"objective": {"subject_to": {"p95_ms": 0.5}}})
    assert ending(run) == ("completed", "win", 1)
    assert not run.report.published
    assert "p95_ms" in run.report.not_published_because
    assert "limit 0.5" in run.report.denied_because


def test_an_objective_that_is_zero_everywhere_is_said(run_orchestra):
    run = run_orchestra(experiment={"space": {"quality": [0.0]}, "baseline": {"quality": 0.0}})
    assert "recall@10 is 0 for each of 1 configurations on 5 queries" in run.report.warnings


def test_a_limit_that_nobody_measured_is_said_when_the_baseline_stays(run_orchestra):
    limits = {"subject_to": {"cost_per_query": 0.5}}
    run = run_orchestra(experiment={"objective": limits, "baseline": {"quality": 0.9}})
    assert run.report.winner.is_baseline
    assert "cost_per_query was not measured, so its limit decided nothing" in run.report.warnings


def test_nothing_better_says_among_whom(run_orchestra, stub_runner):
    stub_runner.target.cost = lambda parameters: 0.01 * float(parameters["quality"])
    limits = {"subject_to": {"cost_per_query": 0.004}}
    run = run_orchestra(experiment={"objective": limits})
    assert (
        "among the 1 of 3 configurations that keep cost_per_query ≤ 0.004" in run.report.verdict.reason
    )
    limits = {"subject_to": {"cost_per_query": 0.000004}}
    run = run_orchestra(experiment={"objective": limits, "baseline": {"quality": 0.9}})
    told = "neither it nor any other configuration keeps cost_per_query ≤ 4e-06"
    assert told in run.report.verdict.reason


def test_an_unmeasured_constraint_is_not_taken_to_hold(run_orchestra):
    run = run_orchestra(experiment={"objective": {"subject_to": {"cost_per_query": 0.5}}})
    assert run.outcome.exit_code == 1
    assert "not measured" in run.report.not_published_because


class Miscounting:
    """Answers wrongly in ways that no conforming runner would."""

    def __init__(self, bend):
        self.bend = bend
        self.stub = StubRunner()

    @hookimpl
    def orchestra_describe_runner(self, request):
        return self.stub.orchestra_describe_runner(request)

    @hookimpl
    def orchestra_runner(self, request):
        opened = self.stub.orchestra_runner(request)
        plain = opened.evaluate
        opened.evaluate = lambda configurations, queries: self.bend(
            list(plain(configurations, queries))
        )
        return opened


def repeated(found):
    from dataclasses import replace

    return [replace(o, ranking=o.ranking[:1] * 2, scores=()) for o in found]


@pytest.mark.parametrize(
    ("bend", "reason"),
    [
        (lambda found: found[1:] * 0, "no_observation"),
        (lambda found: [*found, found[0]], "target"),
        (repeated, "repeated_document"),
        (lambda found: None, "TypeError"),
    ],
)
def test_answers_that_cannot_be_right_are_failures(run_orchestra, bend, reason):
    run = run_orchestra(RULES, runner=Miscounting(bend))
    assert ending(run) == ("early_stopped", None, 3)
    assert run.report.failures == {reason: 15}


def test_a_target_that_finds_nothing_at_all_gives_no_verdict(run_orchestra):
    def emptied(found):
        return [replace(o, ranking=(), scores=()) for o in found]

    run = run_orchestra(runner=Miscounting(emptied))
    assert ending(run) == ("failed", None, 3)
    assert run.report.error["msg"].startswith("nothing was found for any of 5 queries")
    assert "Is the index empty" in run.report.error["hint"]


# -- what is left -----------------------------------------------------------------------------------


def test_job_files(run_orchestra, stub_runner):
    run = run_orchestra()
    job = run.report.job("ab", "q0p9")
    folder = run.home / ".runs" / job.job_id
    assert sorted(p.name for p in folder.iterdir()) == ["metrics.json", "queries.jsonl", "run.trec.gz"]
    metrics = json.loads((folder / "metrics.json").read_text())
    assert list(metrics) == [
        "job_id",
        "run_id",
        "stage",
        "status",
        "config",
        "metrics",
        "latency_breakdown_ms",
        "failures_by_reason",
        "aggregate_only",
        "error",
    ]
    assert set(metrics["metrics"]) == {
        "recall@10",
        "ndcg@10",
        "mrr@10",
        "judged@10",
        "p50_ms",
        "p95_ms",
        "p99_ms",
        "cost_per_query",
        "count",
        "failures",
    }
    assert metrics["config"] == {"config_id": "q0p9", "parameters": {"quality": 0.9}}
    assert (metrics["status"], metrics["error"]) == ("ok", None)
    assert list(metrics["latency_breakdown_ms"]) == ["search"]
    assert metrics["metrics"] == job.metrics


def test_job_figures_can_be_computed_again_from_its_files(run_orchestra, stub_dataset):
    run = run_orchestra()
    job = run.report.job("ab", "q0p9")
    rows = queries_of(run, job)
    assert len(rows) == 40
    assert list(rows[0]) == [
        "query_id",
        "scores",
        "latency_ms",
        "cost",
        "attempts",
        "breakdown_ms",
        "failure",
        "reported",
        "claimed",
        "probes",
    ]
    probes = [probe["latency_ms"] for row in rows for probe in row["probes"]]
    assert float(np.percentile(probes, 95)) == pytest.approx(job.metrics["p95_ms"])
    trec = gzip.decompress((run.home / job.path / "run.trec.gz").read_bytes()).decode()
    ranked = {}
    for line in trec.splitlines():
        query_id, q0, document, rank, score, tag = line.split(" ")
        assert (q0, tag, int(score)) == ("Q0", "q0p9", -int(rank))
        ranked.setdefault(query_id, []).append(document)
    recall = {
        q: float(bool(set(documents[:10]) & set(stub_dataset.qrels[q])))
        for q, documents in ranked.items()
    }
    assert {row["query_id"]: row["scores"]["recall@10"] for row in rows} == recall
    assert sum(recall.values()) / 40 == pytest.approx(job.metrics["recall@10"])


def test_stages_tell_their_story_in_order(run_orchestra):
    run = run_orchestra(RULES)
    marks = [e.event_type for e in run.events if e.event_type.endswith(("_STARTED", "_DONE"))]
    wanted = [f"{stage}_{mark}" for stage in STAGES for mark in ("STARTED", "DONE")]
    assert [mark for mark in marks if mark in wanted] == wanted
    assert run.events[0].event_type == "RUN_STARTED"
    assert [e.seq for e in run.events] == list(range(1, len(run.events) + 1))
    assert run.state.status == "completed"


def test_the_report_is_a_view_of_the_journal(run_orchestra):
    from orchestra_core.journal.reporting import build_report

    run = run_orchestra(RULES)
    assert build_report(run.state) == run.report


def test_two_runs_of_one_plan_agree(run_orchestra):
    one, two = run_orchestra(RULES), run_orchestra(RULES)
    assert one.run_id != two.run_id
    assert one.report.plan_hash == two.report.plan_hash
    assert one.report.verdict == two.report.verdict
    assert one.report.winner == two.report.winner


def test_winners_are_chained_and_an_altered_record_shows(run_orchestra):
    home = Home(run_orchestra().home)
    run_orchestra()
    records = read_history(home)
    assert len(records) == 2
    assert list(records[0]) == ["run_id", "timestamp", "winner", "ab_diff", "grid_decision", "hash"]
    assert broken_records(records) == []
    records[0]["winner"]["config_id"] = "forged"
    assert broken_records(records) == [records[0]["run_id"]]
    assert broken_records(records[1:]) == [records[1]["run_id"]]


def test_history_and_report_name_the_same_grid_decision(run_orchestra):
    class Shrinking:
        @hookimpl
        def orchestra_reflect(self, evidence):
            if (evidence.stage, evidence.rung) == ("grid", 0):
                best = evidence.configurations[-1].config_id
                return Decision(kind="shrink", rule="s", reason="few", survivors=(best,))
            return Decision(kind="keep", rule="k", reason="wait")

    run = run_orchestra(Shrinking(), experiment={"stages": {"grid": {"budget": 0.6}}})
    (record,) = read_history(Home(run.home))
    assert record["grid_decision"]["kind"] == run.report.grid_decision.kind == "shrink"


def test_listeners_see_every_event_with_the_state(tmp_path):
    from orchestra_core.testing import run_stubs

    seen = []
    run = run_stubs(tmp_path, listeners=[lambda event, state: seen.append((event.seq, state.events))])
    assert [seq for seq, _ in seen] == [e.seq for e in run.events]
    assert all(events >= seq for seq, events in seen)


def test_a_plan_may_leave_stages_out(run_orchestra):
    """A planner plugin that only wants the smoke test."""
    from orchestra_core.builtin.planner import orchestra_plan

    class SmokeOnly:
        @hookimpl
        def orchestra_plan(self, request):
            plan = orchestra_plan(request)
            return plan.model_copy(update={"stages": plan.stages[:1]})

    run = run_orchestra(SmokeOnly())
    assert run.report.status == "completed"
    assert run.state.stages.keys() == {"smoke"}
    assert run.report.evaluations_full == 0


def test_configurations_are_what_the_runner_is_asked_for(run_orchestra, stub_runner):
    run = run_orchestra()
    plan = [Configuration.model_validate(c) for c in run.state.started["plan"]["configurations"]]
    assert {c for c, _q in stub_runner.asked()} == {c.config_id for c in plan}
