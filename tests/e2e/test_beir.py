"""A BEIR folder of one's own, end to end with the embedded engine."""

import json

import pytest

NOUNS = ("ledger", "mortgage", "dividend", "invoice", "pension", "loan")
VERBS = ("grows", "expires", "transfers", "doubles", "vanishes", "returns", "settles")
TOPICS = [f"{noun} {verb}" for noun in NOUNS for verb in VERBS]


def write_lines(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


@pytest.fixture
def beir(script):
    """42 questions, each with the one document that holds its words."""
    folder = script.home / "faq"
    (folder / "qrels").mkdir(parents=True)
    documents = [
        {"_id": f"d{i}", "title": "", "text": f"When a {topic} the office number {i} writes a letter."}
        for i, topic in enumerate(TOPICS)
    ]
    queries = [{"_id": f"q{i}", "text": f"what if the {topic}"} for i, topic in enumerate(TOPICS)]
    write_lines(folder / "corpus.jsonl", documents)
    write_lines(folder / "queries.jsonl", queries)
    rows = "".join(f"q{i}\td{i}\t1\n" for i in range(len(TOPICS)))
    text = f"query-id\tcorpus-id\tscore\n{rows}"
    (folder / "qrels" / "test.tsv").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def run(script, beir):
    """`orchestra run` on the folder, with a space of two configurations."""
    experiment = {
        "name": "faq",
        "dataset": f"beir:{beir}",
        "space": {"alpha": [0.0, 0.5]},
        "stages": {
            "smoke": {"sample": 5},
            "grid": {"sample": 12, "budget": 1.0, "probe": 2},
            "ab": {"sample": 10},
        },
    }
    (script.home / "orchestra.yaml").write_text(json.dumps(experiment), encoding="utf-8")
    return lambda *words: script("run", "--plugins", "fiqa,no:reporters", *words)


def test_it_runs_to_a_verdict(script, run, beir):
    result = run("--json")
    assert result.code in {0, 4}, result.text
    outcome = result.json
    assert outcome["status"] == "completed"
    assert outcome["dataset"] == f"beir:{beir}"
    assert outcome["verdict"]["kind"] in {"win", "no_difference", "inconclusive"}
    assert outcome["winner"]["metrics"]["recall@10"] > 0.8
    trec = list((script.home / ".runs").glob("*-grid-*/run.trec.gz"))
    assert len(trec) == 2
    plan = script.events(outcome["run_id"])[0]["payload"]["plan"]
    assert plan["queries"] == len(TOPICS)


WRONG = [
    ("corpus.jsonl", '{"_id": "d0", "text": \n', "corpus.jsonl, line 43: not valid JSON"),
    ("queries.jsonl", '["q1"]\n', "queries.jsonl, line 43: expected an object with a non-empty text"),
    ("queries.jsonl", '{"_id": "q0"}\n', "queries.jsonl, line 43: the _id 'q0' stands twice"),
    (
        "qrels/test.tsv",
        "q0,d0,1\n",
        "test.tsv, line 44: expected query-id, corpus-id and a whole number",
    ),
    ("qrels/test.tsv", "q0\td99\t1\n", "test.tsv: the qrels name document 'd99'"),
    ("qrels/test.tsv", "q99\td0\t1\n", "test.tsv: the qrels name query 'q99'"),
]


@pytest.mark.parametrize(("file", "line", "message"), WRONG)
def test_a_wrong_line_is_named_before_anything_is_sent(file, line, message, script, run, beir):
    with (beir / file).open("a", encoding="utf-8") as stream:
        stream.write(line)
    result = run()
    assert result.code == 2
    assert message in result.err
    assert "Hint: " in result.err
    assert "Traceback" not in result.text
    assert not (script.home / "reports").exists()
