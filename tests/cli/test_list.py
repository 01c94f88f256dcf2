"""`orchestra list`: the runs of a home folder."""

KEYS = {
    "run_id", "name", "status", "started_at", "ended_at", "plan_hash", "dataset", "runner", "backend",
    "configurations", "stages", "decisions", "verdict", "winner", "published", "requests",
}  # fmt: skip


def test_json_has_one_entry_per_run_oldest_first(orchestra, finished):
    runs = orchestra("list", "--json").json
    assert [run["name"] for run in runs] == ["first", "second"]
    assert all(set(run) >= KEYS for run in runs)
    assert runs[1]["run_id"] == finished[1]
    assert runs[1]["verdict"] == "win"
    assert runs[1]["published"] is True
    assert runs[1]["runner"] == "stub_target"
    assert set(runs[1]["stages"].values()) == {"done"}


def test_people_see_a_table(orchestra, finished):
    lines = orchestra("list").out.splitlines()
    row = next(line for line in lines if finished[1] in line).split()
    assert row[2:4] == ["completed", "win"]
    assert row[-1] == "yes"


def test_an_empty_home_says_what_to_do(orchestra):
    assert orchestra("list").out == "No runs here yet; start one with `orchestra run`.\n"
    assert orchestra("list", "--json").json == []


def test_the_home_can_be_named(orchestra, finished, monkeypatch):
    monkeypatch.delenv("ORCHESTRA_HOME")
    assert orchestra("list", "--json").json == []
    assert len(orchestra("list", "--json", "--home", str(finished[0])).json) == 2


def test_journals_count_and_not_the_index(orchestra, finished):
    home, run_id = finished
    (home / "reports" / "events" / f"{run_id}.jsonl").unlink()
    assert [run["name"] for run in orchestra("list", "--json").json] == ["first"]


def test_a_broken_index_is_no_obstacle(orchestra, finished):
    before = orchestra("list", "--json").json
    (finished[0] / "reports" / "memory" / "index.jsonl").write_text("{torn", encoding="utf-8")
    assert orchestra("list", "--json").json == before
