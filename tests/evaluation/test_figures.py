"""Metrics against plain definitions; latency figures; what an unknown metric is answered with."""

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestra_core import LatencySample, Observation
from orchestra_core.errors import ExperimentError, plain
from orchestra_core.evaluation.jobs import Job
from orchestra_core.evaluation.latency import (
    latency_metrics,
    mean_breakdown,
    percentile_counting_failures,
    timed,
    timed_requests,
)
from orchestra_core.evaluation.metrics import STANDARD, Scorer, measure_of, metric_names
from orchestra_core.experiment import Objective
from orchestra_core.observation import Failure
from orchestra_core.plan import Configuration

DOCUMENTS = [f"d{i:02}" for i in range(14)]
QRELS = st.dictionaries(st.sampled_from(DOCUMENTS), st.integers(0, 3), min_size=1).filter(
    lambda grades: any(g > 0 for g in grades.values())
)
RANKINGS = st.lists(st.sampled_from(DOCUMENTS), max_size=14, unique=True)


def gain(grade):
    return float(grade)


def by_definition(ranking, grades):
    top = ranking[:10]
    relevant = {d for d, g in grades.items() if g > 0}
    ideal = sorted((g for g in grades.values() if g > 0), reverse=True)[:10]
    dcg = sum(gain(grades.get(d, 0)) / math.log2(i + 2) for i, d in enumerate(top))
    best = sum(gain(g) / math.log2(i + 2) for i, g in enumerate(ideal))
    first = next((i for i, d in enumerate(top, 1) if d in relevant), None)
    return {
        "recall@10": len(relevant & set(top)) / len(relevant),
        "ndcg@10": dcg / best,
        "mrr@10": 1 / first if first else 0.0,
        "judged@10": len([d for d in top if d in grades]) / len(top) if top else 0.0,
    }


@settings(deadline=None)
@given(QRELS, RANKINGS)
def test_metrics_are_what_the_field_means_by_them(grades, ranking):
    scores = Scorer(STANDARD, {"q": grades}).score(("q",), {"q": ranking})
    assert {n: float(v[0]) for n, v in scores.items()} == pytest.approx(by_definition(ranking, grades))


def test_scores_are_aligned_to_the_queries_asked():
    qrels = {"a": {"d00": 1}, "b": {"d00": 1}, "c": {"d00": 1}}
    scorer = Scorer(("recall@10",), qrels)
    rankings = {"c": ["d00"], "a": ["d01"]}
    assert scorer.score(("c", "b", "a"), rankings)["recall@10"].tolist() == [1.0, 0.0, 0.0]
    assert scorer.score(("a", "c"), rankings)["recall@10"].tolist() == [0.0, 1.0]


def test_the_order_is_the_rankings_own():
    """trec_eval would break ties of scores by document id."""
    scorer = Scorer(("mrr@10",), {"q": {"d00": 1}})
    assert scorer.score(("q",), {"q": ["d13", "d00"]})["mrr@10"].tolist() == [0.5]
    assert scorer.score(("q",), {"q": ["d00", "d13"]})["mrr@10"].tolist() == [1.0]


@pytest.mark.parametrize(
    "name", ["recall@10", "R@10", "nDCG@5", "ndcg@5", "AP", "map", "hit_rate@3", "RR"]
)
def test_names_of_the_field_and_of_ir_measures(name):
    assert measure_of(name) is not None


@pytest.mark.parametrize(
    "name", ["recal@10", "recall", "recall@0", "recall@x", "recall@-1", "", "@10", "10"]
)
def test_unknown_metrics_are_refused_with_examples(name):
    with pytest.raises(ExperimentError) as caught:
        measure_of(name)
    assert caught.value.where == "objective.maximize"
    assert "recall@10" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("ndcg@0", "'0' is no cutoff: expected a whole number of at least 1"),
        ("R@", "'' is no cutoff"),
        ("IPrec@0.5", "'0.5' is no cutoff"),
        ("ERR@10", "It needs an external tool."),
        ("SDCG@10", "It needs other parameters than these, or an external tool."),
        ("NumRet", "It does not lie between 0 and 1."),
        ("ncdg@10", "Did you mean 'ndcg@10'?"),
    ],
)
def test_a_hint_says_what_is_wrong_and_never_repeats_the_name(name, told, capfd):
    with pytest.raises(ExperimentError) as caught:
        measure_of(name)
    assert caught.value.hint.startswith(told)
    assert f"mean '{name}'" not in caught.value.hint
    assert capfd.readouterr() == ("", "")


def test_space_around_a_name_is_no_part_of_it():
    assert str(measure_of("recall@10 ")) == "R@10"
    assert Objective(maximize=" recall@10 ").maximize == "recall@10"


@given(st.text(max_size=12))
@settings(deadline=None)
def test_any_name_is_a_metric_or_an_experiment_error(name):
    found, refused = "", ""
    try:
        found = str(measure_of(name))
    except ExperimentError as error:
        refused = error.message
    assert found or f"'{plain(name)}'" in refused


def test_another_objective_comes_first():
    assert metric_names("AP")[0] == "AP"
    assert metric_names("ndcg@10") == STANDARD


# -- latency ----------------------------------------------------------------------------------------


def test_percentiles():
    values = np.arange(1.0, 101.0)
    assert latency_metrics(values) == pytest.approx({"p50_ms": 50.5, "p95_ms": 95.05, "p99_ms": 99.01})
    assert latency_metrics(np.zeros(0)) == {"p50_ms": None, "p95_ms": None, "p99_ms": None}


def sample(milliseconds, failed=False, **breakdown):
    failure = Failure("x", "x") if failed else None
    return LatencySample("c", "q", milliseconds, breakdown_ms=breakdown, failure=failure)


def test_failures_count_as_missing():
    items = [sample(1.0, a=1.0), sample(999.0, failed=True, a=999.0), sample(3.0, a=3.0, b=1.0)]
    assert timed(items).tolist() == [1.0, 3.0]
    assert mean_breakdown(items) == {"a": 2.0, "b": 1.0}
    assert timed([Observation("c", "q")]).tolist() == []


def job():
    return Job("run", "grid", Configuration(config_id="c", parameters={}))


def test_a_job_grows_block_by_block():
    scorer = Scorer(STANDARD, {q: {"d00": 1} for q in "abcd"})
    grown = job()
    grown.add_block(("a", "b"), [Observation("c", "a", ranking=("d00",))], scorer)
    grown.add_block(
        ("c", "d"),
        [
            Observation("c", "d", ranking=("d01",)),
            Observation("c", "c", failure=Failure("timeout", "")),
        ],
        scorer,
    )
    assert grown.scores["recall@10"].tolist() == [1.0, 0.0, 0.0, 0.0]
    assert dict(grown.failures) == {"no_observation": 1, "timeout": 1}
    assert (grown.metrics()["count"], grown.metrics()["failures"]) == (4.0, 2.0)
    assert grown.metrics()["recall@10"] == 0.25
    assert grown.metrics()["p95_ms"] is None


def test_probe_samples_come_before_timings_of_shared_work():
    scorer = Scorer(STANDARD, {"a": {"d00": 1}})
    timed_job = job()
    timed_job.add_block(("a",), [Observation("c", "a", latency_ms=99.0, cost=9.0)], scorer)
    assert timed_job.metrics()["p50_ms"] == 99.0
    timed_job.samples.append(LatencySample("c", "a", 5.0, cost=1.0))
    assert timed_job.metrics()["p50_ms"] == 5.0
    assert timed_job.metrics()["cost_per_query"] == 1.0


def timeline(values, failed=()):
    """Samples sent once a second, in order; those at `failed` failed."""
    return [
        LatencySample("c", "q", ms, float(i), failure=Failure("x", "") if i in failed else None)
        for i, ms in enumerate(values)
    ]


def test_estimates_are_the_percentiles_within_their_intervals():
    values = np.random.default_rng(1).lognormal(3, 0.5, 400)
    found = timed_requests(timeline(values)).latency
    assert list(found) == ["p50_ms", "p95_ms", "p99_ms"]
    for estimate, percentile in zip(found.values(), (50, 95, 99), strict=True):
        assert estimate.value == pytest.approx(np.percentile(values, percentile))
        assert estimate.ci_low < estimate.value < estimate.ci_high <= values.max()
    assert timed_requests(timeline(values)).latency == found
    assert timed_requests(timeline(values, failed=range(399))).latency == {}


def test_the_interval_of_a_percentile_covers_the_truth():
    """95% intervals of the median of 200 values of a known distribution, 200 times."""
    covered = 0
    for seed in range(200):
        values = np.random.default_rng(seed).exponential(10, 200)
        median = timed_requests(timeline(values), seed=seed).latency["p50_ms"]
        covered += median.ci_low <= 10 * math.log(2) <= median.ci_high
    assert 0.9 <= covered / 200 <= 0.99


def test_neighbours_that_are_alike_widen_the_interval():
    """A queue is one event, not fifty: the same values in disorder would look better known."""
    values = np.concatenate([np.full(450, 10.0), np.full(50, 500.0)]) + np.arange(500) / 100
    shuffled = np.random.default_rng(0).permutation(values)
    found = [timed_requests(timeline(of)).latency["p95_ms"] for of in (values, shuffled)]
    width = [estimate.ci_high - estimate.ci_low for estimate in found]
    assert width[0] > width[1]


def test_errors_are_counted_by_reason_and_lateness_is_the_drivers():
    samples = timeline([10.0] * 100, failed=(3, 5))
    samples[7] = replace(samples[7], sent_s=samples[7].scheduled_s + 0.5)
    samples = [replace(s, sent_s=max(s.sent_s, s.scheduled_s + 0.001)) for s in samples]
    found = timed_requests(samples)
    assert (found.requests, found.answered, found.errors) == (100, 98, {"x": 2})
    assert 1 <= found.sent_late_ms < 500


def test_failures_can_count_as_endlessly_slow():
    assert percentile_counting_failures(timeline(range(1, 101)), 95) == 95
    assert percentile_counting_failures(timeline(range(1, 101), failed=range(4)), 95) == 99
    assert percentile_counting_failures(timeline(range(1, 101), failed=range(6)), 95) is None
    assert percentile_counting_failures([], 95) is None
