"""`orchestra status`: a run by its id, its beginning, or `latest`."""

import pytest

KEYS = {
    "run_id", "name", "status", "started_at", "ended_at", "dataset", "plan_hash", "verdict", "winner",
    "published", "evaluations", "requests", "failures", "error", "stage", "stages", "events",
    "bad_lines", "lost_events", "retries", "last_event_at",
}  # fmt: skip


def test_json_keys(orchestra, finished):
    status = orchestra("status", finished[1], "--json").json
    assert set(status) >= KEYS
    assert status["run_id"] == finished[1]
    assert status["status"] == "completed"
    assert list(status["stages"]) == ["smoke", "grid", "ab", "select", "publish"]
    assert {stage["status"] for stage in status["stages"].values()} == {"done"}
    assert status["bad_lines"] == 0


def test_people_see_verdict_stages_and_decisions(orchestra, finished):
    told = orchestra("status", finished[1]).out
    assert told.startswith(f"second · {finished[1]} · completed\n")
    assert "Verdict: WIN" in told
    for stage in ("smoke", "grid", "ab", "select", "publish"):
        assert f"\n  {stage:<8} done" in told
    assert "\n  grid keep (" in told or "\n  grid shrink (" in told


@pytest.mark.parametrize("word", ["latest", "second", "second-2"])
def test_a_run_by_its_beginning(word, orchestra, finished):
    assert orchestra("status", word, "--json").json["run_id"] == finished[1]


def test_a_beginning_of_two_runs_names_neither(orchestra, finished):
    home, run_id = finished
    journal = home / "reports" / "events" / f"{run_id}.jsonl"
    journal.with_name("second-other.jsonl").write_bytes(journal.read_bytes())
    refused = orchestra("status", "second")
    assert refused.code == 2
    assert "2 runs begin with 'second'" in refused.err
    assert "second-" in refused.err.partition("Hint:")[2]


def test_a_full_id_wins_over_a_longer_one(orchestra, finished):
    home, run_id = finished
    journal = home / "reports" / "events" / f"{run_id}.jsonl"
    journal.with_name(f"{run_id}-more.jsonl").write_bytes(journal.read_bytes())
    assert orchestra("status", run_id, "--json").json["run_id"] == run_id


def test_a_misspelt_run_names_the_nearest(orchestra, finished):
    refused = orchestra("status", finished[1].replace("second", "secnod"))
    assert refused.code == 2
    assert f"Did you mean '{finished[1]}'?" in refused.err


def test_damaged_lines_are_counted_and_skipped(orchestra, finished):
    home, run_id = finished
    journal = home / "reports" / "events" / f"{run_id}.jsonl"
    lines = journal.read_bytes().splitlines(keepends=True)
    lines[2] = lines[2].replace(b"_", b"-", 1)
    journal.write_bytes(b"".join(lines))
    assert orchestra("status", run_id, "--json").json["bad_lines"] == 1
    assert "1 lines of the journal are damaged" in orchestra("status", run_id).out


def test_events_that_are_lost_are_told(orchestra, finished):
    """Their lines are gone, so only the numbers of the others tell; `list` says it too."""
    home, run_id = finished
    journal = home / "reports" / "events" / f"{run_id}.jsonl"
    assert orchestra("status", run_id, "--json").json["lost_events"] == 0
    assert "damaged" not in orchestra("status", run_id).out + orchestra("list").out
    lines = journal.read_bytes().splitlines(keepends=True)
    journal.write_bytes(b"".join(lines[:9] + lines[12:]))
    assert orchestra("status", run_id, "--json").json["lost_events"] == 3
    told = "the journal is damaged: 3 events are lost"
    assert told in orchestra("status", run_id).out
    again = orchestra("resume", run_id)
    assert (again.code, told in again.out) == (0, True)
    assert [entry["lost_events"] for entry in orchestra("list", "--json").json] == [0, 3]
    (row,) = [line for line in orchestra("list").out.splitlines() if run_id in line]
    assert "journal damaged" in row
    torn = b'{"v":1,"seq":99\n'  # held nothing
    journal.write_bytes(b"".join([*lines[:9], torn, *lines[9:]]))
    assert orchestra("status", run_id, "--json").json["lost_events"] == 0


def test_a_journal_without_a_beginning_is_told(orchestra, finished):
    home, run_id = finished
    journal = home / "reports" / "events" / f"{run_id}.jsonl"
    journal.write_bytes(b"")
    assert "there is no run" in orchestra("status", run_id).err
    assert run_id not in orchestra("list").out
    journal.write_bytes(b"damaged\n")
    refused = orchestra("status", run_id)
    assert refused.code == 2
    assert "first line is missing or damaged" in refused.err
    assert "Traceback" not in refused.text


def test_a_failed_run_shows_its_error(orchestra, monkeypatch):
    import stub_target

    monkeypatch.setattr(stub_target.RUNNER.target, "healthy", False)
    orchestra("run", "-q", "--plugins", "stub_target", "--plugins", "no:reporters")
    told = orchestra("status", "latest")
    assert told.code == 0
    assert "· failed" in told.out
    assert "Error: the health check failed: the stub is unwell" in told.out
