"""`orchestra memory rebuild`: the index is only a view of the journals."""

import json
import shutil


def test_a_deleted_index_comes_back(orchestra, finished):
    memory = finished[0] / "reports" / "memory"
    before = {path.name: path.read_bytes() for path in memory.glob("*.json*")}
    assert set(before) >= {"index.jsonl", f"{finished[1]}.json"}
    shutil.rmtree(memory)
    result = orchestra("memory", "rebuild")
    assert result.out == "Index rebuilt from 2 journals.\n"
    assert {path.name: path.read_bytes() for path in memory.glob("*.json*")} == before


def test_the_index_agrees_with_the_list(orchestra, finished):
    orchestra("memory", "rebuild")
    index = (finished[0] / "reports" / "memory" / "index.jsonl").read_text(encoding="utf-8")
    listed = {run["run_id"]: run for run in orchestra("list", "--json").json}
    told = {(e := json.loads(line))["run_id"]: e for line in index.splitlines()}
    assert {run_id: {**entry, "process_gone": False} for run_id, entry in told.items()} == listed


def test_entries_without_a_journal_go(orchestra, finished):
    home, run_id = finished
    (home / "reports" / "events" / f"{run_id}.jsonl").unlink()
    assert orchestra("memory", "rebuild").out == "Index rebuilt from 1 journal.\n"
    index = (home / "reports" / "memory" / "index.jsonl").read_text(encoding="utf-8")
    assert run_id not in index


def test_an_empty_home(orchestra):
    assert orchestra("memory", "rebuild").out == "Index rebuilt from 0 journals.\n"
