"""What a verdict hangs on: failed queries, unjudged documents, depth; and which queries moved."""

import dataclasses

import numpy as np
import pytest

from orchestra_core.evaluation.jobs import Job
from orchestra_core.evaluation.metrics import STANDARD, Scorer, metric_names
from orchestra_core.experiment import Experiment
from orchestra_core.metric_names import canonical
from orchestra_core.observation import Failure, Observation
from orchestra_core.plan import Configuration
from orchestra_core.stages.moved import LONGEST, moved_queries, shortened
from orchestra_core.stages.otherwise import judged_row, unjudged_extremes
from orchestra_core.stages.verdict import Pairing, verdict_of
from orchestra_core.statistics.judging import Arms, Rules, judge
from orchestra_core.testing import make_dataset
from orchestra_core.testing.stubs import chance

BASELINE = "q0p3"
ONE = Arms({"m": np.zeros(9)}, {"m": np.ones(9)})
JUDGED = judge(ONE, Rules(), 0.05)


def flaky_baseline(config_id, query_id):
    """The baseline alone fails, on a fifth of the queries."""
    return config_id == BASELINE and chance("flaky", query_id) < 0.2


def alternative(run, assumption):
    found = [a for a in run.report.verdict.alternatives if a.assumption == assumption]
    return found[0] if found else None


@pytest.fixture
def flaky_run(run_orchestra, stub_runner):
    """Both arms are equally good; only the baseline's failures make a difference."""

    def run(failed):
        stub_runner.target.quality = lambda _parameters: 0.9
        stub_runner.target.failing = lambda config_id, query_id: (
            flaky_baseline(config_id, query_id) and stub_runner.calls[-1][0] == "evaluate"
        )
        ab = {"sample": 40, "failed": failed, "margin": {}}
        space = {"quality": [0.5, 0.9]}
        stages = {"smoke": {"sample": 5, "configurations": 1}, "grid": {"epsilon": 0.2}, "ab": ab}
        return run_orchestra(experiment={"space": space, "stages": stages})

    return run


def test_a_win_by_failures_alone_is_warned_of(flaky_run):
    run = flaky_run("zero")
    verdict = run.report.verdict
    assert verdict.kind == "win"
    other = alternative(run, "failed_drop")
    assert other.kind != "win"
    assert other.row.delta == 0
    assert 5 < other.affected < 0.3 * verdict.queries
    assert any("depends on failed queries" in warning for warning in run.report.warnings)


def test_failures_dropped_pairwise_if_so_declared(flaky_run):
    verdict = flaky_run("drop").report.verdict
    assert verdict.kind != "win"
    assert verdict.queries < 40 * verdict.looks
    assert verdict.diff_table[0].baseline == verdict.diff_table[0].challenger
    assert any("left out of both arms" in warning for warning in verdict.warnings)
    assert verdict.gained == verdict.lost == ()  # nothing moved but what failed
    assert verdict.judged.baseline == verdict.judged.challenger
    assert {a.assumption: a.kind for a in verdict.alternatives}["failed_zero"] == "win"


def test_where_hardly_a_query_is_left_failures_are_not_dropped_and_the_warning_says_so():
    """Three of four failed in one arm: one query is no sample."""
    ids, good = tuple("abcd"), next(iter(make_dataset().corpus))
    qrels = {q: {good: 1} for q in ids}
    jobs = [Job("run", "ab", Configuration(config_id=c, parameters={})) for c in "xy"]
    failure = Failure("timeout", "too late")
    for job in jobs:
        name = job.configuration.config_id
        seen = [Observation(name, q, failure=failure) for q in "bcd" if name == "x"]
        seen += [Observation(name, q, ranking=(good,)) for q in ids if name == "y" or q == "a"]
        job.add_block(ids, seen, Scorer(STANDARD, qrels))
    space = Experiment(space={"k": [1]}, stages={"ab": {"failed": "drop"}})
    dataset = dataclasses.replace(make_dataset(), queries=dict.fromkeys(ids, "?"), qrels=qrels)
    pairing = Pairing(space, dataset, *jobs, 0.05)
    verdict = verdict_of(pairing, 1, pairing.look())
    assert verdict.queries == 4
    assert any(
        "3 of the baseline's queries failed and score zero, since" in w for w in verdict.warnings
    )


def test_without_failures_there_is_nothing_to_count_otherwise(run_orchestra):
    run = run_orchestra()
    assert alternative(run, "failed_drop") is None
    assert not [w for w in run.report.warnings if "failed" in w]


def test_a_win_that_unjudged_documents_could_undo(run_orchestra):
    """One judged document a query beside nine unjudged ones: were the baseline's own relevant?"""
    run = run_orchestra()
    verdict = run.report.verdict
    assert (verdict.kind, verdict.judged.metric) == ("win", "judged@10")
    assert 0 < verdict.judged.baseline < verdict.judged.challenger < 0.2
    worst = alternative(run, "unjudged_baseline")
    assert worst.kind != "win"
    assert worst.row.delta < verdict.diff_table[0].delta - 0.2
    assert any("depends on unjudged documents" in warning for warning in run.report.warnings)


def test_where_all_was_judged_there_is_nothing_to_suppose():
    scorer = Scorer(STANDARD, {"q": {"a": 1, "b": 0}})
    jobs = [Job("run", "ab", Configuration(config_id=c, parameters={})) for c in "xy"]
    for job, ranking in zip(jobs, (("a", "b"), ("b",)), strict=True):
        seen = Observation(job.configuration.config_id, "q", ranking=ranking)
        job.add_block(("q",), [seen], scorer)
    assert not list(unjudged_extremes(*jobs, "recall@10", {"q": {"a": 1, "b": 0}}, pytest.fail))
    assert judged_row(*jobs, "recall@10").baseline == 1.0


def test_the_worst_case_is_not_that_all_is_relevant():
    """The challenger finds one judged document and one that both found; the baseline one of its own."""
    ids, qrels = [f"q{i}" for i in range(40)], {f"q{i}": {"good": 1} for i in range(40)}
    scorer = Scorer(STANDARD, qrels)
    jobs = [Job("run", "ab", Configuration(config_id=c, parameters={})) for c in "xy"]
    for job, ranking in zip(jobs, (("both", "own"), ("both", "good", "new")), strict=True):
        name = job.configuration.config_id
        job.add_block(tuple(ids), [Observation(name, q, ranking=ranking) for q in ids], scorer)
    judged = []
    found = list(
        unjudged_extremes(*jobs, "recall@10", qrels, lambda arms: judged.append(arms) or JUDGED)
    )
    assert [(a.assumption, a.affected) for a in found] == [
        ("unjudged_baseline", 40),
        ("unjudged_challenger", 40),
    ]
    means = [(a.baseline["recall@10"].mean(), a.challenger["recall@10"].mean()) for a in judged]
    assert means == [(0.5, 0.5), (0.0, 1.0)]  # were all relevant: 0.5 and 0.75


def test_the_report_names_the_queries_that_moved(run_orchestra):
    verdict = run_orchestra().report.verdict
    assert len(verdict.gained) == min(10, verdict.wins)
    assert verdict.lost == ()
    for query in verdict.gained:
        assert (query.baseline, query.challenger) == (0.0, 1.0)
        assert query.text.startswith("question ")


def test_an_inconclusive_verdict_says_what_it_could_have_seen(run_orchestra):
    space = {"quality": [0.3, 0.34]}
    verdict = run_orchestra(experiment={"space": space}).report.verdict
    row = verdict.diff_table[0]
    assert verdict.kind == "inconclusive"
    assert (row.ci_high - row.ci_low) / 2 < verdict.detectable < 1
    assert verdict.queries_needed > verdict.queries


# -- metrics by name, and grades --------------------------------------------------------------------


@pytest.mark.parametrize("name", ["nDCG@10", "R@100", "RR@10", "AP"])
def test_an_objective_by_its_name_in_ir_measures(run_orchestra, name):
    baseline = {"quality": 0.3, "top_k": 10}
    objective = {"maximize": name}
    report = run_orchestra(experiment={"objective": objective, "baseline": baseline}).report
    first, told = report.verdict.diff_table[0], canonical(name)
    assert (first.metric, report.verdict.kind) == (told, "win")
    assert report.winner.metrics[told] == pytest.approx(first.challenger)
    assert first.challenger > first.baseline > 0
    assert all(c.metrics[told] > 0 for c in report.candidates)
    warned = [r for r in report.rulings if r.rule == "depth"]
    assert len(warned) == (name == "R@100")
    assert all("top_k 10" in r.reason and r.kind == "warn" for r in warned)


def test_two_names_of_one_measure_are_told_once(run_orchestra):
    report = run_orchestra(experiment={"objective": {"maximize": "nDCG@10"}}).report
    names = [row.metric for row in report.verdict.diff_table]
    assert names[0] == "ndcg@10"
    assert len(set(names)) == len(names)


def test_judged_goes_as_deep_as_the_objective():
    assert "judged@100" in metric_names("recall@100")
    assert metric_names("recall@10") == STANDARD


def test_grades_count():
    """A document of grade 3 in front is worth more than one of grade 1; recall knows only relevant."""
    scorer = Scorer(("nDCG@10", "R@10"), {"q": {"best": 3, "good": 2, "fair": 1, "bad": 0}})
    down = scorer.score(("q",), {"q": ("best", "good", "fair", "bad")})
    up = scorer.score(("q",), {"q": ("bad", "fair", "good", "best")})
    assert down["nDCG@10"][0] == pytest.approx(1.0)
    discounts = 1 / np.log2([2, 3, 4, 5])
    ideal, found = np.array([3, 2, 1, 0]) @ discounts, np.array([0, 1, 2, 3]) @ discounts
    assert up["nDCG@10"][0] == pytest.approx(found / ideal)
    assert up["R@10"][0] == down["R@10"][0] == 1.0


# -- parts ------------------------------------------------------------------------------------------


def test_moved_queries_are_ordered_bounded_and_short():
    ids = tuple(f"q{i:02}" for i in range(30))
    a, b = (Job("run", "ab", Configuration(config_id=c, parameters={})) for c in "ab")
    for job, values in ((a, np.full(30, 0.5)), (b, np.linspace(0, 1, 30))):
        job.query_ids = ids
        job.scores = {"recall@10": values, "ndcg@10": values}
    queries = dict.fromkeys(ids, "a  long\nquestion " * 50)
    gained, lost = moved_queries(a, b, "recall@10", queries)
    assert [m.query_id for m in gained] == [f"q{i}" for i in range(29, 19, -1)]
    assert [m.query_id for m in lost] == [f"q{i:02}" for i in range(10)]
    assert len(gained[0].text) <= LONGEST
    assert gained[0].text.startswith("a long question a")
    assert shortened("short") == "short"


def test_a_failed_query_has_no_ranking():
    scorer = Scorer(STANDARD, {q: {"d": 1} for q in "abc"})
    job = Job("run", "ab", Configuration(config_id="c", parameters={}))
    seen = [Observation("c", "a", ranking=("d",)), Observation("c", "b", failure=Failure("x", "x"))]
    job.add_block(("a", "b", "c"), seen, scorer)
    assert job.failed_queries == {"b", "c"}
    assert job.rankings() == {"a": ("d",)}
