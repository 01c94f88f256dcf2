"""The reflection rule, seen through a whole run."""

from orchestra_wordcount import plugin as wordcount

from orchestra_core.testing import make_dataset
from orchestra_core.testing.stubs import StubDatasets

STAGES = {"smoke": {"sample": 5}, "grid": {"sample": 40, "budget": 1.0}, "ab": {"sample": 40}}
BASE = {"runner": {"plugin": "wordcount"}, "dataset": "stub", "stages": STAGES}


def rules(finished):
    return [decision.rule for decision in finished.report.decisions]


def test_twins_end_the_grid(run_orchestra):
    # In this dataset no word stands in a document twice, so `count` and its dampings are twins.
    space = {"weighting": ["count"], "damping": [0.5, 1.0]}
    finished = run_orchestra(("wordcount", wordcount), experiment={**BASE, "space": space})
    assert rules(finished)[-1] == "twins"
    assert finished.report.rungs[-1].queries < finished.report.evaluations_full / 2


def test_patience_is_a_setting(run_orchestra):
    space = {"weighting": ["count"], "damping": [0.5, 1.0]}
    settings = {"wordcount": {"twins_after": 1000}}
    experiment = {**BASE, "space": space, "plugins": settings}
    assert "twins" not in rules(run_orchestra(("wordcount", wordcount), experiment=experiment))


def test_different_configurations_race_on(run_orchestra):
    corpus = {f"d{i}": f"word{i}" for i in range(100)} | {f"x{i}": "what is it" for i in range(60)}
    dataset = make_dataset(n_queries=100)
    dataset = type(dataset)(
        "stub",
        corpus,
        {f"q{i}": f"what is word{i}" for i in range(100)},
        {f"q{i}": {f"d{i}": 1} for i in range(100)},
    )
    finished = run_orchestra(
        ("wordcount", wordcount), experiment=BASE, datasets=StubDatasets([dataset])
    )
    assert "twins" not in rules(finished)
    assert finished.report.verdict is not None
    assert finished.report.verdict.kind == "win"
    assert "summary.txt" in {path.rpartition("/")[2] for path in finished.outcome.artifacts}
