"""Two runs in one home at the same time: neither loses what the other wrote."""

import json

from orchestra_core.artifacts import Home
from orchestra_core.history import broken_records, read_history

STUB = ("--plugins", "stub_target", "--plugins", "no:reporters")


def test_both_are_recorded(script, started):
    names = [f"run{i}" for i in range(3)]
    processes = [started("run", "--json", *STUB, "--set", f"name={name}") for name in names]
    outcomes = []
    for process in processes:
        out, err = process.communicate(timeout=120)
        assert process.returncode == 0, err
        outcomes.append(json.loads(out))
    run_ids = {outcome["run_id"] for outcome in outcomes}
    assert len(run_ids) == 3
    history = read_history(Home(script.home))
    assert {record["run_id"] for record in history} == run_ids
    assert broken_records(history) == []
    history[0]["winner"]["metrics"]["recall@10"] = 1.0
    assert broken_records(history) == [history[0]["run_id"]]
    lines = (script.home / "reports" / "memory" / "index.jsonl").read_text(encoding="utf-8")
    index = [json.loads(line) for line in lines.splitlines()]
    assert {entry["run_id"] for entry in index} == run_ids
    assert {entry["status"] for entry in index} == {"completed"}
    for run_id in run_ids:
        events = script.events(run_id)
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert script.half_written() == []
