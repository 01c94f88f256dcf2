"""gc."""

import subprocess
import sys

import pytest

from orchestra_core import housekeeping
from orchestra_core.artifacts import Home
from orchestra_core.journal import memory
from orchestra_core.journal.lock import RunLock, is_locked


def runs(home):
    return sorted(path.stem for path in (home / "reports" / "events").glob("*.jsonl"))


def everything(home):
    return {p.relative_to(home).as_posix() for p in home.rglob("*") if p.is_file()}


def test_old_runs_go_with_all_they_left(finished, orchestra):
    home, second = finished
    (first,) = [run for run in runs(home) if run != second]
    before = everything(home)
    told = orchestra("gc", "--keep", "1", "--dry-run", "--json").json
    assert (told["runs"], told["dry_run"]) == ([first], True)
    assert told["bytes"] > 10_000
    assert everything(home) == before
    assert orchestra("gc", "--keep", "1").code == 0
    assert runs(home) == [second]
    assert not [name for name in everything(home) if first in name and "index" not in name]
    assert {name for name in before if second in name} <= everything(home)
    assert [entry["run_id"] for entry in orchestra("list", "--json").json] == [second]
    assert orchestra("winners", "verify").code == 0
    assert orchestra("verify", second, "--plugins", "stub_target").code == 0


def test_the_last_winners_run_and_running_ones_stay(finished, orchestra):
    home, second = finished
    (first,) = [run for run in runs(home) if run != second]
    lock = RunLock(Home(home).lock(first))
    try:
        orchestra("gc", "--keep", "0")
    finally:
        lock.release()
    assert runs(home) == sorted([first, second])
    orchestra("gc", "--keep", "0")
    assert runs(home) == [second]


def leave(home, name, content="{}"):
    path = home / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def test_leftovers_go(finished, orchestra):
    home, second = finished
    left = [
        ".runs/gone-grid-x",
        ".runs/gone",
        "reports/events/gone.lock",
        ".runs/.gone-ab-x.0123abcd.tmp",
        f"reports/{second}/.winners.json.0123abcd.tmp",
    ]
    leave(home, ".runs/gone-grid-x/metrics.json")
    leave(home, f".runs/gone/units/{'0' * 64}.jsonl.gz")
    leave(home, "reports/events/gone.lock")
    leave(home, ".runs/.gone-ab-x.0123abcd.tmp/metrics.json")
    leave(home, f"reports/{second}/.winners.json.0123abcd.tmp", "half")
    told = orchestra("gc", "--json").json
    assert told["runs"] == []
    assert sorted(told["leftovers"]) == sorted(left)
    assert not any((home / name).exists() for name in left)
    assert orchestra("gc", "--json").json["leftovers"] == []


def test_what_no_run_can_have_left_stays(finished, orchestra):
    home, _ = finished
    names = [
        ".runs/.gitignore",
        ".runs/notes.md",
        ".runs/mine/units/readme.txt",
        ".runs/mine-grid-x/metrics.json.bak",
        ".runs/command-20260101-000000-abc123/00001-x/metrics.json",
        "reports/notes/.draft.tmp",
        "reports/failTopN.csv",
        ".import-list/mine.txt",
    ]
    paths = [leave(home, name) for name in names]
    assert orchestra("gc", "--keep", "20", "--json").json["leftovers"] == []
    orchestra("gc", "--keep", "0")
    assert all(path.exists() for path in paths)


HOLDER = """
import sys
from pathlib import Path
from orchestra_core.temporaries import temporary_file, temporary_folder
folders = [Path(word) for word in sys.argv[1:]]
with temporary_folder(folders[0] / "x-grid-y") as one, temporary_file(folders[1] / "x") as two:
    (one / "metrics.json").write_text("{}")
    print(one.name, two[0].name, flush=True)
    sys.stdin.read()
"""


def test_what_a_process_writes_just_now_stays_until_it_is_gone(finished, orchestra):
    home, second = finished
    folders = home / ".runs", home / "reports" / second
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, *folders],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        held = [f / n for f, n in zip(folders, process.stdout.readline().split(), strict=True)]
        assert orchestra("gc", "--json").json["leftovers"] == []
        assert all(path.exists() for path in held)
        process.kill()
    told = orchestra("gc", "--json").json["leftovers"]
    assert sorted(told) == sorted(path.relative_to(home).as_posix() for path in held)
    assert not any(path.exists() for path in held)


def test_what_a_run_leaves_that_begins_while_gc_looks_stays(finished, orchestra, monkeypatch):
    home, _ = finished
    paths = []

    def entries(home_, *words):
        found = real(home_, *words)
        leave(home, "reports/events/new.jsonl", "{}\n")
        paths.append(leave(home, f".runs/new/units/{'0' * 64}.jsonl.gz"))
        return found

    real = memory.entries
    monkeypatch.setattr(memory, "entries", entries)
    orchestra("gc")
    assert all(path.exists() for path in paths)


def test_what_is_taken_up_between_look_and_removal_stays(finished, orchestra, monkeypatch):
    home, second = finished
    (first,) = [run for run in runs(home) if run != second]
    leave(home, "reports/events/gone.lock")
    orphan = leave(home, f".runs/gone/units/{'0' * 64}.jsonl.gz")
    late = leave(home, f".runs/late/units/{'0' * 64}.jsonl.gz")
    held = []

    def plan(*words):
        planned = real(*words)
        assert planned.runs == (first,)
        assert len(planned.leftovers) == 3
        held.extend(RunLock(Home(home).lock(run_id)) for run_id in (first, "gone"))
        leave(home, "reports/events/late.jsonl", "{}\n")
        return planned

    real = housekeeping.plan_sweep
    monkeypatch.setattr(housekeeping, "plan_sweep", plan)
    before = everything(home)
    told = orchestra("gc", "--keep", "0")
    for lock in held:
        lock.release()
    assert f"{first} was taken up meanwhile, and stays" in told.out
    assert before - {"reports/events/gone.lock"} <= everything(home)
    assert orphan.exists()
    assert late.exists()


def test_a_run_goes_under_its_lock(finished, orchestra, monkeypatch):
    """Whoever takes a run up finds all of it, or nothing."""
    home, second = finished
    (first,) = [run for run in runs(home) if run != second]
    seen = []

    def remove(path):
        real(path)
        seen.append((path.name, is_locked(Home(home).lock(first))))

    real = housekeeping.remove
    monkeypatch.setattr(housekeeping, "remove", remove)
    orchestra("gc", "--keep", "0")
    assert seen[-1][0] == f"{first}.jsonl"
    assert all(locked for _, locked in seen)
    assert not Home(home).lock(first).exists()


@pytest.mark.parametrize(
    "name", ["events", "memory", "service", "imports", "latest", "winners.final.json"]
)
def test_no_run_is_called_as_what_belongs_to_all(orchestra, folder, name):
    words = ("run", "--plugins", "stub_target", "--home", str(folder / "home"), "--run-id", name)
    result = orchestra(*words)
    assert (result.code, "no run can be called" in result.err) == (2, True), result.text


def test_a_run_with_a_longer_id_is_another(finished, orchestra):
    home, second = finished
    events = home / "reports" / "events"
    longer = f"{second}-longer"
    (events / f"{longer}.jsonl").write_bytes((events / f"{second}.jsonl").read_bytes())
    leave(home, f".runs/{longer}-grid-x/metrics.json")
    assert not [p for p in housekeeping.files_of(Home(home), second) if longer in p.name]
    assert f"{longer}-grid-x" in [p.name for p in housekeeping.files_of(Home(home), longer)]
