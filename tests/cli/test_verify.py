"""`orchestra verify`: the table, the JSON, the exit codes."""

import json
import shutil

import pytest

from orchestra_core.testing import make_dataset

WORDS = ("--plugins", "stub_target")


def test_everything_agrees(orchestra, finished):
    _, run_id = finished
    result = orchestra("verify", "latest", *WORDS)
    assert result.code == 0, result.text
    assert result.out.startswith(f"{run_id}: ")
    assert "Everything agrees." in result.out
    content = orchestra("verify", "latest", *WORDS, "--json").json
    assert (content["agrees"], content["findings"]) == (True, [])
    assert content["checked"]["jobs"] == 8


def test_a_changed_file_is_named(orchestra, finished):
    home, run_id = finished
    path = home / "reports" / run_id / "winners.json"
    path.write_text(path.read_text().replace("q0p9", "q0p5"))
    result = orchestra("verify", run_id, *WORDS)
    assert result.code == 1
    assert f"reports/{run_id}/winners.json" in result.out
    assert "1 differ, 0 missing." in result.out
    (finding,) = orchestra("verify", run_id, *WORDS, "--json").json["findings"]
    assert set(finding) == {"kind", "file", "what", "recorded", "recomputed"}
    assert (finding["kind"], finding["what"]) == ("differs", "sha256")


def test_nothing_is_left_to_verify(orchestra, finished):
    home, run_id = finished
    shutil.rmtree(home / ".runs")
    assert orchestra("verify", run_id, *WORDS).code == 3


def test_nothing_is_written(orchestra, finished):
    home, run_id = finished
    before = {p: p.stat().st_mtime_ns for p in home.rglob("*")}
    orchestra("verify", run_id, *WORDS)
    assert {p: p.stat().st_mtime_ns for p in home.rglob("*")} == before


def test_a_dataset_that_no_plugin_has(orchestra, finished):
    result = orchestra("verify", finished[1])
    assert result.code == 2
    assert "there is no dataset 'stub'" in result.err


@pytest.fixture
def beside(folder):
    """The stub's dataset as a BEIR folder beside the working folder."""
    dataset = make_dataset()
    place = folder.parent / "faq"
    (place / "qrels").mkdir(parents=True)
    for name, rows in (("corpus", dataset.corpus), ("queries", dataset.queries)):
        lines = [json.dumps({"_id": key, "text": text}) + "\n" for key, text in rows.items()]
        (place / f"{name}.jsonl").write_text("".join(lines))
    lines = [f"{q}\t{d}\t{grade}\n" for q, row in dataset.qrels.items() for d, grade in row.items()]
    (place / "qrels" / "test.tsv").write_text("".join(lines))
    return place


def test_a_relative_dataset_is_found_from_another_folder(orchestra, folder, beside, monkeypatch):
    ran = orchestra("run", *WORDS, "--set", "dataset=beir:../faq", "--json")
    assert ran.code == 0, ran.text
    run_id = ran.json["run_id"]
    elsewhere = folder.parent / "one" / "two"
    elsewhere.mkdir(parents=True)
    monkeypatch.chdir(elsewhere)
    home = ("--home", str(folder))
    assert orchestra("verify", run_id, *WORDS, *home).code == 0
    assert orchestra("compare", run_id, run_id, *WORDS, *home).code == 0
    shutil.move(beside, beside.with_name("gone"))
    result = orchestra("verify", run_id, *WORDS, *home)
    assert result.code == 3
    assert "there is no such folder" in result.out
