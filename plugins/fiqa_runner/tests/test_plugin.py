from __future__ import annotations

import subprocess
import sys

import pytest
from orchestra_fiqa_runner import plugin
from orchestra_fiqa_runner.description import collection_stem
from orchestra_fiqa_runner.settings import FiqaSettings
from pydantic import ValidationError

from orchestra_core.errors import ExperimentError
from orchestra_core.payloads import DescribeRequest, PlanRequest
from orchestra_core.runner import RunnerDescription
from orchestra_core.session import Request, open_session


def describe(dataset=None) -> RunnerDescription:
    return plugin.orchestra_describe_runner(DescribeRequest(dataset=dataset))


def test_describing_loads_nothing_heavy():
    script = """
import sys
from orchestra_core.payloads import DescribeRequest
from orchestra_fiqa_runner import plugin
plugin.orchestra_settings(), plugin.orchestra_datasets()
plugin.orchestra_describe_runner(DescribeRequest())
heavy = {"numpy", "bm25s", "wordllama", "usearch", "tokenizers"}
print(sorted(heavy & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_parameters_stand_in_the_order_of_the_config_id():
    parameters = describe().parameters
    assert [p.name for p in parameters][:5] == ["collection", "top_k", "alpha", "mmr", "ef_search"]
    assert [p.short for p in parameters][:5] == ["-", "k", "a", "mmr", "ef"]
    assert all(p.default is not None for p in parameters)


def test_the_default_space_is_that_of_the_design():
    space = describe().defaults["space"]
    assert space["collection"] == ["fiqa_para", "fiqa_sent", "fiqa_win256_o64"]
    assert [len(values) for values in space.values()] == [3, 5, 3, 2, 2]


def test_another_dataset_gives_collections_of_its_name():
    defaults = describe("beir:/data/my set").defaults
    assert defaults["dataset"] == "beir:/data/my set"
    assert "beir_my_set_para" in defaults["collections"]
    assert defaults["baseline"]["collection"] == "beir_my_set_para"
    assert describe("boolq").parameters[0].default == "boolq_para"
    assert collection_stem(":/:") == "collection"


@pytest.mark.parametrize("path", ["faq", "/data/faq", "~/sets/faq/", "../faq"])
def test_a_folders_collections_are_called_alike_on_every_machine(path):
    assert collection_stem(f"beir:{path}") == "beir_faq"


def test_an_id_of_a_catalogue_counts_whole():
    assert collection_stem("ir_datasets:beir/fiqa/test") == "ir_datasets_beir_fiqa_test"


WRONG_COLLECTIONS = [
    ("collections: {x: {chunking: bogus}}", "line 1 (collections.x.chunking)", "'bogus'"),
    ("collections: {x: {dataset: boolq}}", "line 1 (collections.x.dataset)", "'boolq'"),
    ("space:\n  collection: [fiqa_parra]", "line 2 (space.collection)", "'fiqa_parra'"),
    ("baseline: {collection: nothing}", "line 1 (baseline.collection)", "'nothing'"),
    (
        "collections: {x: {}}\nspace: {collection: [x]}\nbaseline: {alpha: 0.5}",
        "default of",
        "'fiqa_para'",
    ),
]


@pytest.mark.parametrize(("text", "where", "word"), WRONG_COLLECTIONS)
def test_wrong_collections_are_refused_before_the_plan(tmp_path, text, where, word):
    file = tmp_path / "orchestra.yaml"
    file.write_text(text)
    session = open_session(Request(file=file, home=tmp_path, environ={}, plugins=("fiqa",)))
    with pytest.raises(ExperimentError) as caught:
        session.make_plan(session.open_dataset())
    assert where in caught.value.where
    assert word in caught.value.message
    assert caught.value.hint


def test_collections_of_other_runners_are_their_own_business(kit, fiqa):
    experiment = kit.experiment(fiqa, collections={"x": {"chunking": "bogus"}})
    other = RunnerDescription("other")
    assert plugin.orchestra_plan(PlanRequest(experiment, other, fiqa)) is None


def test_settings_refuse_unknown_keys_and_negative_prices():
    for wrong in ({"price": 1}, {"cpu_usd_per_hour": -1.0}, {"candidates": 0}):
        with pytest.raises(ValidationError):
            FiqaSettings.model_validate(wrong)


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"collections": {"x": {"chunking": "lines"}}}, "collections.x.chunking"),
        ({"collections": {"x": {"chunking": "win64_o64"}}}, "collections.x.chunking"),
        ({"collections": {"x": {"dataset": "boolq"}}}, "collections.x.dataset"),
        ({"runner": {"backend": "htp"}}, "runner.backend"),
        ({"runner": {"backend": "http"}}, "runner.base_url"),
    ],
)
def test_a_wrong_experiment_is_refused_with_its_key(kit, fiqa, make, changes, where):
    with pytest.raises(ExperimentError) as caught:
        kit.open(fiqa, [make(collection="x", alpha=0.0)], **changes)
    assert caught.value.where == where
    assert caught.value.hint


@pytest.mark.parametrize(
    ("parameters", "word"),
    [
        ({"collection": "fiqa_parra"}, "fiqa_para"),
        ({"alpha": 2.0}, "alpha"),
        ({"top_k": "ten"}, "top_k"),
        ({"mmr": "on"}, "mmr"),
        ({"mmr": 1.5}, "mmr"),
        ({"depth": 3}, "depth"),
    ],
)
def test_a_wrong_configuration_is_refused_by_name(kit, fiqa, make, parameters, word):
    one = make(**{"collection": "fiqa_para", "alpha": 0.0, **parameters})
    with pytest.raises(ExperimentError) as caught:
        kit.open(fiqa, [one])
    assert word in caught.value.message + caught.value.hint
    assert one.config_id in caught.value.where
