"""The default planner: disjoint splits, rung sizes, the same hash everywhere."""

import itertools
import json
import os
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestra_core import Experiment, Plan, RunnerDescription
from orchestra_core.builtin.planner import orchestra_plan, rung_sizes, split_queries
from orchestra_core.errors import ExperimentError
from orchestra_core.payloads import PlanRequest
from orchestra_core.testing import make_dataset

DATASET = make_dataset()


def experiment(**keys):
    base = {
        "space": {"k": [1, 2]},
        "stages": {"smoke": {"sample": 5}, "grid": {"sample": 20}, "ab": {"sample": 30}},
    }
    return Experiment.model_validate({**base, **keys}, strict=False)


def make_plan(**keys):
    return orchestra_plan(PlanRequest(experiment(**keys), RunnerDescription("r"), DATASET))


SCRIPT = """
import json, sys
sys.path.insert(0, sys.argv[1])
from test_planner import make_plan
print(make_plan(**json.loads(sys.argv[2])).plan_hash)
"""


@pytest.mark.parametrize("seed", ["0", "1", "4711"])
def test_the_hash_is_the_same_in_every_process(seed):
    keys = {"space": {"b": [1, 2], "a": ["x", 0.5]}, "plugins": {"p": {"z": 1, "y": [1, {"q": None}]}}}
    found = subprocess.run(
        [sys.executable, "-c", SCRIPT, os.path.dirname(__file__), json.dumps(keys)],  # noqa: PTH120
        env={**os.environ, "PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        check=True,
    )
    assert found.stdout.strip() == make_plan(**keys).plan_hash


def test_the_hash_survives_the_journal():
    plan = make_plan()
    again = Plan.model_validate(json.loads(plan.model_dump_json()), strict=False)
    assert again == plan
    assert again.plan_hash == plan.plan_hash


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 1},
        {"space": {"k": [2, 1]}},
        {"baseline": {"k": 3}},
        {"objective": {"maximize": "ndcg@10"}},
        {
            "stages": {
                "grid": {"sample": 20, "epsilon": 0.1},
                "ab": {"sample": 30},
                "smoke": {"sample": 5},
            }
        },
        {"runner": {"base_url": "http://elsewhere:1"}},
        {"limits": {"cost_usd": 1.0}},
    ],
)
def test_what_decides_the_run_changes_the_hash(change):
    assert make_plan(**change).plan_hash != make_plan().plan_hash


@pytest.mark.parametrize("change", [{"paths": {"runs_dir": "x"}}, {"concurrency": 9}])
def test_what_decides_nothing_does_not(change):
    assert make_plan(**change).plan_hash == make_plan().plan_hash


def test_the_datasets_content_changes_the_hash():
    other = make_dataset(n_docs=201)
    plan = orchestra_plan(PlanRequest(experiment(), RunnerDescription("r"), other))
    assert plan.plan_hash != make_plan().plan_hash


def test_stages_use_their_own_queries():
    plan = make_plan()
    assert plan.queries == 120
    assert not set(plan.tuning) & set(plan.confirmation)
    assert set(plan.tuning) | set(plan.confirmation) == set(DATASET.queries)
    assert set(plan.stage("smoke").query_ids) | set(plan.stage("grid").query_ids) <= set(plan.tuning)
    assert plan.stage("ab").query_ids == plan.confirmation
    assert len(plan.stage("ab").rungs[0]) == 30


def test_the_ab_seed_orders_confirmation_without_moving_anything_across():
    one = make_plan()
    ab = {"smoke": {"sample": 5}, "grid": {"sample": 20}, "ab": {"sample": 30, "seed": 5}}
    two = make_plan(stages=ab)
    assert one.tuning == two.tuning
    assert set(one.confirmation) == set(two.confirmation)
    assert one.confirmation != two.confirmation


def test_the_smoke_test_asks_the_baseline_and_the_ends_of_the_plan():
    plan = make_plan(space={"k": list(range(1, 10))}, baseline={"k": 4})
    assert plan.stage("smoke").config_ids == ("k4", "k1", "k5", "k9")


def test_stages_never_ask_more_than_they_planned(run_orchestra, stub_runner):
    run = run_orchestra()
    plan = Plan.model_validate(run.state.started["plan"], strict=False)
    for stage in plan.stages:
        sent = sum(
            e.payload["requests"] for e in run.of_type("UNIT_DONE") if e.payload["stage"] == stage.name
        )
        assert sent <= stage.requests


def test_samples_that_do_not_fit_say_which():
    with pytest.raises(ExperimentError) as caught:
        make_plan(stages={"ab": {"sample": 110}, "grid": {"sample": 20}, "smoke": {"sample": 5}})
    assert "120 labelled queries cannot give 20 for tuning" in caught.value.message
    assert "110 for confirmation" in caught.value.message
    assert "stages.ab.sample" in caught.value.hint


QUERY_IDS = st.lists(st.text(min_size=1, max_size=4), min_size=60, max_size=90, unique=True)


@given(QUERY_IDS, st.integers(0, 2**53 - 1), st.floats(0.05, 0.9))
def test_splits_are_disjoint_whole_and_do_not_depend_on_order(query_ids, seed, share):
    stages = {
        "confirmation": share,
        "smoke": {"sample": 1},
        "grid": {"sample": 2},
        "ab": {"sample": 3},
    }
    asked = experiment(seed=seed, stages=stages)
    tuning, confirmation = split_queries(query_ids, asked)
    assert sorted([*tuning, *confirmation]) == sorted(query_ids)
    assert len(confirmation) == max(3, round(len(query_ids) * share))
    assert split_queries(query_ids[::-1], asked) == (tuning, confirmation)


@given(QUERY_IDS, st.text(min_size=5, max_size=9))
def test_a_new_query_hardly_moves_the_others(query_ids, new):
    stages = {"smoke": {"sample": 1}, "grid": {"sample": 2}, "ab": {"sample": 3}}
    before, _ = split_queries(query_ids, experiment(stages=stages))
    after, _ = split_queries([*query_ids, new], experiment(stages=stages))
    assert len(set(before) - set(after)) <= 1


@given(st.integers(1, 5000), st.floats(0.001, 1.0))
def test_rungs_grow_and_end_at_the_sample(sample, budget):
    sizes = rung_sizes(sample, budget)
    assert sizes[-1] == sample
    assert all(one < two for one, two in itertools.pairwise(sizes))
    assert sizes[0] >= min(5, sample)
    assert all(two <= 3 * one for one, two in itertools.pairwise(sizes))
    assert len(sizes) <= 18
