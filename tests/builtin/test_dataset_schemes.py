"""`beir:PATH`: what is read, and how malformed folders are answered."""

import json

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from orchestra_core import Dataset
from orchestra_core.builtin.dataset_schemes import read_beir, read_ir_datasets
from orchestra_core.errors import DataError, DatasetUnavailable, ExperimentError, OrchestraError
from orchestra_core.plugins.calls import HookCalls
from orchestra_core.session import find_dataset, open_dataset
from orchestra_core.testing import make_dataset

CORPUS = [{"_id": "d1", "title": "One", "text": "first"}, {"_id": "d2", "text": "second"}]
QUERIES = [{"_id": "q1", "text": "which?"}, {"_id": "q2", "text": "none?"}]
QRELS = "query-id\tcorpus-id\tscore\nq1\td1\t2\nq1\td2\t0\nq2\td2\t0\n"


@pytest.fixture
def beir(tmp_path):
    def write(corpus=CORPUS, queries=QUERIES, qrels=QRELS, name="test.tsv"):
        (tmp_path / "qrels").mkdir(exist_ok=True)
        for file, rows in (("corpus.jsonl", corpus), ("queries.jsonl", queries)):
            text = rows if isinstance(rows, str) else "\n".join(map(json.dumps, rows))
            (tmp_path / file).write_text(text)
        (tmp_path / "qrels" / name).write_text(qrels)
        return str(tmp_path)

    return write


def test_a_folder_is_read(beir):
    dataset = read_beir(beir())
    assert dataset.corpus == {"d1": "One first", "d2": "second"}
    assert dataset.qrels == {"q1": {"d1": 2, "d2": 0}, "q2": {"d2": 0}}
    assert [q.query_id for q in dataset.judged_queries()] == ["q1"]


def test_of_several_splits_test_is_read(beir):
    beir(name="dev.tsv", qrels="q1\td2\t1\n")
    assert read_beir(beir()).qrels["q1"]["d1"] == 2


@pytest.mark.parametrize(
    ("files", "place", "message"),
    [
        ({"corpus": "{]"}, "corpus.jsonl, line 1", "not valid JSON"),
        ({"corpus": '{"_id": "d1"}\n\n[]'}, "corpus.jsonl, line 3", "_id"),
        ({"queries": '{"_id": 7}'}, "queries.jsonl, line 1", "_id"),
        ({"queries": '{"_id": ""}'}, "queries.jsonl, line 1", "_id"),
        ({"corpus": '{"_id": "d1"}\n{"_id": "d1"}'}, "corpus.jsonl, line 2", "stands twice"),
        ({"qrels": QRELS + "q1\td1\n"}, "test.tsv, line 5", "tab-separated"),
        ({"qrels": "q1\td1\thigh\n"}, "test.tsv, line 1", "whole number"),
        ({"qrels": "q9\td1\t1\n"}, "test.tsv", "query 'q9'"),
        ({"qrels": "q1\td9\t1\n"}, "test.tsv", "document 'd9'"),
        ({"qrels": "q1\td1\t0\n"}, "test.tsv", "no query with a relevant document"),
    ],
)
def test_malformed_files_name_file_line_and_fault(beir, files, place, message):
    with pytest.raises(DataError, match=message) as caught:
        read_beir(beir(**files))
    assert caught.value.where.endswith(place)
    assert caught.value.hint


def test_folders_that_are_not_there(tmp_path, beir):
    with pytest.raises(DatasetUnavailable, match="there is no such folder"):
        read_beir(str(tmp_path / "nowhere"))
    with pytest.raises(DatasetUnavailable, match="found none"):
        read_beir(str(tmp_path))
    beir(name="dev.tsv")
    (tmp_path / "qrels" / "train.tsv").write_text(QRELS)
    with pytest.raises(DatasetUnavailable, match=r"found dev\.tsv, train\.tsv"):
        read_beir(str(tmp_path))
    (tmp_path / "corpus.jsonl").unlink()
    (tmp_path / "qrels" / "train.tsv").unlink()
    with pytest.raises(DatasetUnavailable, match="No such file"):
        read_beir(str(tmp_path))


@pytest.mark.parametrize(
    ("path", "cause"),
    [
        ("a\0b", "null byte"),
        ("x" * 5000, "too long"),
        ("~nobody-of-that-name/x", "home directory"),
        ("\ud800", "surrogates"),
    ],
)
def test_paths_that_cannot_be(plugin_host, path, cause):
    with pytest.raises(DatasetUnavailable, match=cause) as caught:
        open_dataset(HookCalls(plugin_host), f"beir:{path}")
    assert "beir:PATH names a folder" in caught.value.hint
    assert "\0" not in str(caught.value)


def test_a_text_of_null_is_no_text(beir):
    nothing = {"text": None, "title": None}
    corpus = [{"_id": "d1", **nothing}, *CORPUS[1:]]
    dataset = read_beir(beir(corpus, [{"_id": "q1", **nothing}], "q1\td1\t1\n"))
    assert dataset.queries == {"q1": ""}
    assert dataset.corpus == {"d1": "", "d2": "second"}


JSONISH = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.dictionaries(st.sampled_from(["_id", "text", "title", "x"]), inner, max_size=3),
    max_leaves=4,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.lists(JSONISH, max_size=3),
    st.lists(JSONISH, max_size=3),
    st.text(alphabet="qd12\t\n score-", max_size=30),
)
@example([{"_id": "d1", "text": "\ud800"}], QUERIES, "q1\td1\t1")
def test_any_folder_is_a_dataset_or_an_orchestra_error(beir, corpus, queries, qrels):
    folder = beir(corpus, queries, qrels)
    try:
        dataset = read_beir(folder)
    except OrchestraError:
        return
    assert isinstance(dataset, Dataset)
    assert len(dataset.sha256) == 64


def test_ir_datasets_fails_in_words(monkeypatch):
    import builtins

    real = builtins.__import__

    def without(name, *rest):
        if name == "ir_datasets":
            raise ImportError(name)
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(DatasetUnavailable) as caught:
        read_ir_datasets("beir/scifact")
    assert "orchestra-core[ir-datasets]" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "hint"),
    [("beer:x", "beir:PATH"), ("beir", "beir:PATH"), ("", "Known"), ("stub:", "See")],
)
def test_unknown_datasets_are_answered_with_the_nearest(plugin_host, name, hint):
    with pytest.raises(ExperimentError) as caught:
        find_dataset(HookCalls(plugin_host), name)
    assert hint in caught.value.hint
    assert "orchestra data list" in caught.value.hint


def test_a_scheme_opens_what_follows_the_colon(plugin_host, beir):
    assert open_dataset(HookCalls(plugin_host), f"beir:{beir()}").queries["q1"] == "which?"


def test_content_hashes():
    one = make_dataset()
    assert one.corpus_sha256 == make_dataset().corpus_sha256
    turned = Dataset("x", dict(reversed(one.corpus.items())), one.queries, one.qrels)
    assert (turned.corpus_sha256, turned.sha256) == (one.corpus_sha256, one.sha256)
    moved = Dataset("x", {"ab": "c"}, {"q": "q"}, {"q": {"ab": 1}})
    other = Dataset("x", {"a": "bc"}, {"q": "q"}, {"q": {"a": 1}})
    assert moved.corpus_sha256 != other.corpus_sha256
    regraded = Dataset("x", one.corpus, one.queries, {**one.qrels, "q0000": {"d0000": 2}})
    assert regraded.corpus_sha256 == one.corpus_sha256
    assert regraded.sha256 != one.sha256


def test_a_datasets_text_stays_out_of_messages():
    assert len(repr(make_dataset())) < 300
