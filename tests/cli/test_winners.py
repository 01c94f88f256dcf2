"""winners show, winners verify."""

import json

import pytest

from orchestra_core.history import record_hash


def runs(home):
    return sorted(path.stem for path in (home / "reports" / "events").glob("*.jsonl"))


def test_winners_are_shown_and_checked(finished, orchestra):
    home, run_id = finished
    shown = orchestra("winners", "show", "--json").json
    assert [record["run_id"] for record in shown][-1] == run_id
    assert run_id in orchestra("winners", "show").out
    checked = {"records": 2, "whole": True, "broken": [], "removed": [], "added": []}
    assert orchestra("winners", "verify", "--json").json == checked
    path = home / "reports" / "winners.final.json"
    records = json.loads(path.read_bytes())
    path.write_text(json.dumps(records[1:]))
    result = orchestra("winners", "verify")
    assert (result.code, f"1 record is broken at: {run_id}" in result.err) == (1, True)


@pytest.mark.parametrize("kept", [1, 0])
def test_the_end_of_the_history_is_known_by_the_journals(finished, orchestra, kept):
    home, second = finished
    (first,) = [run for run in runs(home) if run != second]
    path = home / "reports" / "winners.final.json"
    path.write_text(json.dumps(json.loads(path.read_bytes())[:kept]))
    lost = [first, second][kept:]
    result = orchestra("winners", "verify", "--json")
    assert (result.code, result.json["whole"], result.json["broken"]) == (1, False, [])
    assert result.json["removed"] == lost
    assert f"lacks what was published by: {', '.join(lost)}" in orchestra("winners", "verify").err
    path.unlink()
    assert orchestra("winners", "verify").code == 1


def test_a_record_that_nobody_published_is_found(finished, orchestra):
    """With a hash that fits: it needs no key."""
    home, second = finished
    words = ("run", "--plugins", "stub_target", "--until", "grid", "--set", "name=short", "--json")
    short = orchestra(*words).json["run_id"]
    path = home / "reports" / "winners.final.json"
    records = json.loads(path.read_bytes())
    for run_id in (short, second):
        forged = {**records[-1], "run_id": run_id}
        forged["hash"] = record_hash(forged, records[-1]["hash"])
        path.write_text(json.dumps([*records, forged]))
        result = orchestra("winners", "verify", "--json")
        assert (result.code, result.json["added"], result.json["broken"]) == (1, [run_id], [])


def test_the_history_is_whole_after_old_runs_went(finished, orchestra):
    orchestra("gc", "--keep", "0")
    assert orchestra("winners", "verify").out == "2 records, the chain is whole.\n"


def test_no_winners_yet(orchestra):
    assert "No winner" in orchestra("winners", "show").out
    assert orchestra("winners", "verify").code == 0


@pytest.mark.parametrize("content", ["[" * 100_000, '[{"run_id": "x", "hash": "y"}]', "{}", "[1]"])
def test_a_history_that_makes_no_sense_is_told(finished, orchestra, content):
    home, _ = finished
    (home / "reports" / "winners.final.json").write_text(content)
    for words in (("winners", "show"), ("winners", "verify"), ("winners", "verify", "--json")):
        result = orchestra(*words)
        assert result.code in {1, 3}, result.text
        assert "bug in Orchestra" not in result.text
