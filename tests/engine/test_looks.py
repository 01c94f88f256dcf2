"""An A/B whose quality is clear and whose latency is not: it looks again, and says what is open."""

from dataclasses import dataclass, field
from itertools import groupby

import pytest

from orchestra_core.artifacts import Home
from orchestra_core.evaluation.job_files import query_lines
from orchestra_core.journal.reporting import plan_of
from orchestra_core.testing import StubTarget
from orchestra_core.testing.stubs import chance, make_dataset
from orchestra_core.verification.check import verify_run

ARMS = ("q0p3", "q0p9")


@dataclass(eq=False)
class NoisyTarget(StubTarget):
    """Every request has a latency of its own, 10 to 110 ms; the challenger takes 10 ms longer."""

    steady: set = field(default_factory=set)
    """Queries that take the longest, and always the same."""

    def milliseconds(self, configuration, query_id):
        own = 100 if query_id in self.steady else 100 * chance(configuration.config_id, query_id)
        return 10 + own + 10 * (configuration.config_id == ARMS[1])


@pytest.fixture
def noisy(run_orchestra, stub_runner):
    """Runs whose p95 differs by about 10 ms, known to some tens of milliseconds."""
    stub_runner.target = NoisyTarget()

    def run(margin, **changes):
        ab = {"sample": 40, "margin": margin}
        space, grid = {"quality": [0.9]}, {"sample": 20, "budget": 1.0, "probe": 0}
        asked = {"space": space, "stages": {"ab": ab, "grid": grid}}
        return run_orchestra(experiment={**asked, **changes})

    return run


def probes(stub_runner):
    """(config_id, query ids) of every probe of the A/B, in order."""
    return [(c[0], tuple(ids)) for what, c, ids in stub_runner.calls if what == "probe"]


def p95(run):
    (row,) = [row for row in run.report.verdict.diff_table if row.metric == "p95_ms"]
    return row


def verified(run):
    return verify_run(Home(run.home), run.run_id, lambda _name: make_dataset()).findings


def test_an_open_margin_takes_the_next_look_which_is_timed_too(noisy, stub_runner):
    run = noisy({"p95_ms": 12})
    verdict, plan = run.report.verdict, plan_of(run.state)
    assert (verdict.kind, verdict.looks, verdict.queries) == ("inconclusive", 2, 60)
    assert verdict.diff_table[0].ci_low > 0  # quality was clear at the first look
    asked = {arm: [q for c, ids in probes(stub_runner) if c == arm for q in ids] for arm in ARMS}
    confirmation = plan.stage("ab").query_ids
    assert [list(dict.fromkeys(asked[arm])) for arm in ARMS] == [list(confirmation)] * 2
    turns = [arm for arm, _ in groupby(c for c, _ in probes(stub_runner))]
    assert len(turns) > 4  # interleaved in both looks
    for arm in ARMS:
        job = run.report.job("ab", arm)
        assert (job.probe.requests, job.metrics["count"]) == (60, 60)
    assert verified(run) == []


def test_what_is_open_is_told_of_the_margin_and_not_of_quality(noisy):
    verdict = noisy({"p95_ms": 12}).report.verdict
    (row,) = [row for row in verdict.diff_table if row.metric == "p95_ms"]
    assert verdict.undecided == "p95_ms"
    assert "p95_ms" in verdict.reason
    off = row.delta - 12
    arm = row.ci_high - row.delta if off < 0 else row.delta - row.ci_low
    assert verdict.queries_needed == pytest.approx(60 * (arm / off) ** 2, abs=1)
    half = (row.ci_high - row.ci_low) / 2
    assert half < verdict.detectable < 2 * half
    assert verdict.detectable > 1  # milliseconds, not a share


def test_margins_spend_the_error_over_the_looks_as_quality_does(noisy):
    two, one = noisy({"p95_ms": 12}), noisy({"p95_ms": 500})
    assert (two.report.verdict.looks, one.report.verdict.looks) == (2, 1)
    for run in (one, two):
        assert {row.confidence for row in run.report.verdict.diff_table} == {
            run.report.verdict.confidence
        }
    assert 0.95 < p95(two).confidence < p95(one).confidence


def test_a_later_look_may_settle_a_margin(noisy, stub_runner):
    first = noisy({"p95_ms": 1000})
    stub_runner.target.steady = set(plan_of(first.state).stage("ab").rungs[1])
    open_at_first = p95(first).ci_high - 0.1
    run = noisy({"p95_ms": open_at_first})
    assert (run.report.verdict.kind, run.report.verdict.looks) == ("win", 2), run.report.verdict.reason
    assert run.report.verdict.queries_needed is None
    assert verified(run) == []


def test_a_budget_that_ends_while_a_later_look_is_timed_leaves_the_first_ones_verdict(
    noisy, stub_runner
):
    """The look is given up whole: its answers are in no job, so nothing contradicts the verdict."""
    stub_runner.target.cost = 0.002
    whole = noisy({"p95_ms": 12})
    run = noisy({"p95_ms": 12}, limits={"cost_usd": whole.report.cost_usd - 0.01})
    verdict = run.report.verdict
    assert (verdict.kind, verdict.looks, verdict.queries) == ("inconclusive", 1, 40), run.report.error
    assert verdict.undecided == "p95_ms"
    assert verdict.queries_needed > 40
    assert any("limit of the run" in warning for warning in verdict.warnings)
    for arm in ARMS:
        job = run.report.job("ab", arm)
        assert (job.probe.requests, job.metrics["count"]) == (40, 40)
        assert len(query_lines(Home(run.home).job(job.job_id))) == 40
    assert verified(run) == []


def test_failures_in_the_tail_say_how_many_requests_would_bound_them(noisy, stub_runner):
    """One of 60 may be one of 20, and a p95 leaves no more than one of 20 above it."""
    gone = plan_of(noisy({"p95_ms": 1000}).state).stage("ab").query_ids[3]
    stub_runner.target.failing = lambda config_id, query_id: (
        (config_id, query_id) == (ARMS[1], gone) and stub_runner.calls[-1][0] == "probe"
    )
    run = noisy({"p95_ms": 500})
    verdict = run.report.verdict
    assert (verdict.kind, verdict.looks, verdict.undecided) == ("inconclusive", 2, "p95_ms")
    assert "may be endless" in verdict.reason
    assert verdict.queries_needed > 60
    assert verdict.detectable is None


def test_failed_queries_take_the_next_look_and_name_no_metric(run_orchestra, stub_runner):
    stub_runner.target.failing = lambda config_id, query_id: (
        config_id == "q0p3" and chance("half", query_id) < 0.5
    )
    run = run_orchestra(experiment={"stages": {"ab": {"sample": 40}}})
    verdict = run.report.verdict
    assert (verdict.kind, verdict.looks) == ("inconclusive", 2)
    assert "of the baseline's queries failed" in verdict.reason
    assert (verdict.undecided, verdict.queries_needed, verdict.detectable) == (None, None, None)


def test_a_block_too_small_for_the_loads_clients_is_not_timed(noisy):
    """Fewer clients would be busy than the load says; what was timed before still decides."""
    stages = {
        "grid": {"sample": 20, "budget": 1.0, "probe": 0},
        "ab": {"sample": 48, "margin": {"p95_ms": 12}, "load": {"concurrency": 10}},
    }
    run = noisy({}, stages=stages)
    assert run.report.verdict.looks == 2
    assert run.report.verdict.queries == 60
    assert run.report.job("ab", ARMS[1]).probe.requests == 48
    assert plan_of(run.state).stage("ab").requests == 2 * (60 + 48 + 5)
    assert verified(run) == []
