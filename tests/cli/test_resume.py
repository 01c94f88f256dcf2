"""`orchestra resume` and starting the same thing twice, as users meet them."""

import json
import os

import pytest

from orchestra_core.artifacts import Home
from orchestra_core.journal.lock import RunLock

WORDS = ("--plugins", "stub_target", "--plugins", "no:reporters")


@pytest.fixture
def interrupted(finished):
    """The second run's journal cut in the grid, as by a kill; its id."""
    home, run_id = finished
    journal = home / "reports" / "events" / f"{run_id}.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    kinds = [json.loads(line)["event_type"] for line in lines]
    journal.write_bytes(b"".join(lines[: kinds.index("GRID_RUNG_DONE")]))
    return home, run_id


def test_a_killed_run_is_gone_on_with(interrupted, orchestra):
    _, run_id = interrupted
    row = next(line for line in orchestra("list").out.splitlines() if run_id in line)
    assert row.split()[2] == "killed"
    assert [run["process_gone"] for run in orchestra("list", "--json").json] == [False, True]
    told = orchestra("status", run_id).out
    assert "it was killed" in told
    assert f"orchestra resume {run_id}" in told
    result = orchestra("resume", run_id, "--json")
    assert result.code == 0, result.text
    assert (result.json["run_id"], result.json["status"]) == (run_id, "completed")
    again = orchestra("resume", run_id)
    assert again.code == 0
    assert "nothing is left to do" in again.err
    assert orchestra("replay", run_id).code == 0
    assert orchestra("verify", run_id, "--plugins", "stub_target").code == 0


def test_progress_says_that_it_is_resumed(interrupted, orchestra):
    assert f"run {interrupted[1]}: resumed" in orchestra("resume", interrupted[1]).err


def test_another_environment_is_a_change(interrupted, orchestra, monkeypatch):
    monkeypatch.setenv("ORCHESTRA_SEED", "7")
    result = orchestra("resume", interrupted[1])
    assert result.code == 2
    assert "experiment seed: 20251107 then, 7 now" in result.err
    assert "--fork" in result.err
    forked = orchestra("resume", interrupted[1], "--fork", "--json")
    assert forked.code in {0, 4}
    assert forked.json["run_id"] != interrupted[1]


def test_two_at_once(interrupted, orchestra):
    home, run_id = interrupted
    lock = RunLock(Home(home).lock(run_id))
    try:
        result = orchestra("resume", run_id)
    finally:
        lock.release()
    assert result.code == 2
    assert f"process {os.getpid()} on" in result.err


def test_fork_and_failed_only_exclude_each_other(interrupted, orchestra):
    assert orchestra("resume", interrupted[1], "--fork", "--failed-only").code == 2


def test_the_same_experiment_is_not_run_twice(orchestra, folder):
    first = orchestra("run", *WORDS, "--json")
    second = orchestra("run", *WORDS)
    assert (first.code, second.code) == (0, 0)
    assert f"was done as {first.json['run_id']}" in second.err
    assert "--again" in second.err
    assert first.json["run_id"] in second.out
    third = orchestra("run", *WORDS, "--json").json
    assert (third["run_id"], third["repeated"]) == (first.json["run_id"], True)
    assert first.json["repeated"] is False
    assert orchestra("run", *WORDS, "--json", "--set", "seed=7").json["run_id"] != first.json["run_id"]
    again = orchestra("run", *WORDS, "--json", "--again").json["run_id"]
    assert again != first.json["run_id"]
    assert len(orchestra("list", "--json").json) == 3


def test_one_that_was_interrupted_may_be_started_anew(interrupted, orchestra):
    home, run_id = interrupted
    words = ("--plugins", "stub_target", "--set", "name=second", "--json", "--home", str(home))
    result = orchestra("run", *words)
    assert result.code == 0
    assert result.json["run_id"] != run_id


def test_while_the_first_one_runs(interrupted, orchestra):
    home, run_id = interrupted
    words = ("--plugins", "stub_target", "--set", "name=second", "--home", str(home))
    lock = RunLock(Home(home).lock(run_id))
    try:
        result = orchestra("run", *words)
        insisted = orchestra("run", *words, "--again", "--json")
    finally:
        lock.release()
    assert result.code == 2
    assert f"is running as {run_id}" in result.err
    assert f"orchestra events {run_id} --follow" in result.err
    assert insisted.json["run_id"] != run_id
