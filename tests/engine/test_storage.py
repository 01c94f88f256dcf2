"""When the disk says no: clear errors, exit code 3, nothing half-written; several writers at once."""

import json
import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestra_core.artifacts import ArtifactFolder, Home, write_atomic
from orchestra_core.engine import run_experiment
from orchestra_core.errors import InvalidName, StorageError
from orchestra_core.history import add_winner, broken_records, read_history
from orchestra_core.names import check_name
from orchestra_core.testing.running import stub_session

SCRIPT = """
import json, resource, sys
from pathlib import Path
from orchestra_core.errors import OrchestraError
from orchestra_core.testing import StubReporter, run_stubs

home, limit = Path(sys.argv[1]), int(sys.argv[2])
home.mkdir(exist_ok=True)
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
try:
    run = run_stubs(home, StubReporter())
except OrchestraError as error:
    print(json.dumps({"raised": error.as_payload(), "exit_code": error.exit_code}))
else:
    print(json.dumps({
        "exit_code": run.outcome.exit_code,
        "status": run.report.status,
        "error": run.outcome.error.as_payload() if run.outcome.error else None,
        "events": len(run.events),
    }))
"""


def run_with_limit(home, limit):
    found = subprocess.run(
        [sys.executable, "-W", "error", "-c", SCRIPT, str(home), str(limit)],
        env={**os.environ, "ORCHESTRA_CACHE_DIR": str(home / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout)


def leftovers(home):
    return [p for p in home.rglob("*") if ".tmp" in p.name]


@pytest.mark.parametrize("limit", [500, 6_000, 9_000])
def test_a_full_disk_is_told_clearly_and_nothing_is_half_written(tmp_path, limit):
    """The kernel refuses to let any file grow beyond the limit: first the journal is too large."""
    home = tmp_path / "home"
    found = run_with_limit(home, limit)
    assert found["exit_code"] == 3
    error = found.get("raised") or found["error"]
    assert error["type"] == "storage"
    assert "File too large" in error["msg"]
    assert "limit" in error["hint"]
    assert leftovers(home) == []
    for path in home.rglob("*.json"):
        json.loads(path.read_text())
    for journal in (home / "reports" / "events").glob("*.jsonl"):
        assert journal.read_bytes() == b"" or journal.read_bytes().endswith(b"\n")


def test_the_limit_of_that_test_matters(tmp_path):
    found = run_with_limit(tmp_path / "home", 10_000_000)
    assert (found["exit_code"], found["status"]) == (0, "completed")


def test_a_home_that_cannot_be_written_is_refused_before_anything_is_sent(
    tmp_path, stub_runner, monkeypatch
):
    home = tmp_path / "home"
    session = stub_session(home, runner=stub_runner)
    (home / "reports").write_text("a file where a folder should be")
    with pytest.raises(StorageError) as caught:
        run_experiment(session)
    assert caught.value.exit_code == 3
    assert str(home / "reports") in caught.value.where
    assert "folder" in caught.value.hint
    assert stub_runner.calls == []


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes everywhere")
def test_a_read_only_home(tmp_path, stub_runner):
    home = tmp_path / "home"
    session = stub_session(home, runner=stub_runner)
    home.chmod(0o500)
    try:
        with pytest.raises(StorageError, match="Permission denied") as caught:
            run_experiment(session)
    finally:
        home.chmod(0o700)
    assert "writable" in caught.value.hint


def test_jobs_that_cannot_be_written_fail_the_run_with_a_report(tmp_path, stub_runner, stub_reporter):
    home = tmp_path / "home"
    session = stub_session(home, stub_reporter, runner=stub_runner)
    (home / ".runs").write_text("in the way")
    outcome = run_experiment(session)
    assert (outcome.exit_code, outcome.report.status) == (3, "failed")
    assert outcome.report.error["type"] == "storage"
    assert stub_reporter.reports


# -- artifacts --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../x", "a/b", "a\\b", ".hidden", "a..b", "x" * 201, "ä", "a\n"]
)
def test_names_that_are_no_file_names_are_refused(tmp_path, name):
    folder = ArtifactFolder(tmp_path / "reports" / "run", tmp_path)
    with pytest.raises(InvalidName):
        folder.write_text(name, "x")
    assert list(tmp_path.rglob("*")) == []


@given(st.text(max_size=12) | st.text(alphabet="./ab-_", max_size=8))
def test_a_checked_name_stays_in_its_folder(name):
    try:
        check_name(name)
    except InvalidName:
        return
    folder = Path("/home/x")
    assert os.path.normpath(folder / name) == str(folder / name)
    assert (folder / name).parent == folder


def test_written_files_are_remembered_once(tmp_path):
    folder = ArtifactFolder(tmp_path / "reports" / "run", tmp_path)
    assert folder.write_json("a.json", {"x": 1}) == "reports/run/a.json"
    folder.write_text("a.json", "again")
    assert folder.written == ["reports/run/a.json"]
    assert (tmp_path / "reports" / "run" / "a.json").read_text() == "again"


def test_figures_that_are_not_json_are_refused(tmp_path):
    folder = ArtifactFolder(tmp_path, tmp_path)
    with pytest.raises(ValueError, match="JSON"):
        folder.write_json("a.json", {"x": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_a_failed_write_leaves_the_old_content(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    write_atomic(path, b"old")
    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(StorageError, match="No space left"):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def refuse(_descriptor):
    raise OSError(28, "No space left on device")


# -- the history ------------------------------------------------------------------------------------


def publish(root, name, count, together):
    home = Home(Path(root))
    together.wait(60)  # a process takes longer to start than to publish
    for n in range(count):
        add_winner(home, {"run_id": f"{name}-{n}", "winner": {"config_id": name}})


def test_two_processes_publish_at_the_same_moment(tmp_path):
    context = multiprocessing.get_context("spawn")
    together = context.Barrier(2)
    workers = [
        context.Process(target=publish, args=(str(tmp_path), name, 20, together)) for name in "ab"
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(60)
        assert worker.exitcode == 0
    records = read_history(Home(tmp_path))
    assert sorted(r["run_id"] for r in records) == sorted(f"{n}-{i}" for n in "ab" for i in range(20))
    assert broken_records(records) == []


def test_a_run_is_published_once(tmp_path):
    home = Home(tmp_path)
    assert add_winner(home, {"run_id": "r"}) is True
    assert add_winner(home, {"run_id": "r"}) is False
    assert len(read_history(home)) == 1


@pytest.mark.parametrize("content", ["", "{}", "[1]", "nonsense"])
def test_an_unreadable_history_is_never_overwritten(tmp_path, content):
    home = Home(tmp_path)
    home.reports.mkdir()
    home.winners.write_text(content)
    with pytest.raises(StorageError, match="history of winners") as caught:
        add_winner(home, {"run_id": "r"})
    assert "Move the file away" in caught.value.hint
    assert home.winners.read_text() == content


@given(
    st.lists(st.dictionaries(st.sampled_from("abc"), st.integers()), min_size=1, max_size=5), st.data()
)
def test_any_change_to_the_history_shows(contents, data):
    from orchestra_core.history import record_hash

    records, previous = [], ""
    for index, content in enumerate(contents):
        record = {"run_id": f"r{index}", **content}
        previous = record_hash(record, previous)
        records.append({**record, "hash": previous})
    assert broken_records(records) == []
    victim = data.draw(st.integers(0, len(records) - 1))
    records[victim] = {**records[victim], "extra": 1}
    assert broken_records(records) == [f"r{victim}"]
