"""A home that cannot be written, and a disk that fills up: exit 3, a clear message, nothing torn."""

import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = str(Path(sys.executable).with_name("orchestra"))

STUB = ("--plugins", "stub_target")
PLAIN = (*STUB, "--plugins", "no:reporters")


def refused(result):
    assert result.code == 3, result.text
    assert "Traceback" not in result.text
    assert "cannot write: " in result.err
    assert "Hint: " in result.err
    return result.err


@pytest.mark.parametrize("home", ["file", "file/deeper", "/proc/orchestra"])
def test_a_home_that_cannot_be_made(home, script):
    (script.home / "file").write_text("in the way", encoding="utf-8")
    result = script("run", *PLAIN, "--home", home)
    if home == "file":  # click sees this one by itself
        assert (result.code, "is a file" in result.err) == (2, True)
    else:
        assert home in refused(result)
    assert script.files() == {"file": 10}


@pytest.mark.parametrize("blocked", ["reports/events", "reports/memory", ".runs"])
def test_a_folder_in_the_home_that_cannot_be_made(blocked, script):
    path = script.home / blocked
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("in the way", encoding="utf-8")
    told = refused(script("run", *PLAIN))
    assert str(path) in told
    assert path.read_text(encoding="utf-8") == "in the way"
    assert script.half_written() == []


def limited(kibibytes: int):
    """For a child process: no file may grow beyond this, as on a disk that is full."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (kibibytes * 1024, kibibytes * 1024))

    return limit


@pytest.mark.parametrize("kibibytes", [0, 4, 12])
def test_a_full_disk_leaves_nothing_half_written(kibibytes, script):
    result = script("run", *PLAIN, preexec_fn=limited(kibibytes))
    refused(result)
    assert script.half_written() == []
    for journal in script.journals():
        if journal.stat().st_size:
            script.events(journal.stem)


def resumed(script, run_id):
    """Space has returned: go on, and compare with what was there."""
    before = script.events(run_id)
    again = script("resume", run_id)
    assert again.code == 0, again.text
    events = script.events(run_id)
    assert events[: len(before)] == before
    done = [e["payload"]["unit"] for e in events if e["event_type"] == "UNIT_DONE"]
    assert len(done) == len(set(done))
    checked = script("verify", run_id, "--plugins", "stub_target")
    assert checked.code == 0, checked.text


@pytest.fixture(scope="module")
def places(module_script):
    """Where the lines of a whole run's journal begin, by their type."""
    assert module_script("run", *PLAIN, "--quiet").code == 0
    (journal,) = module_script.journals()
    lines = journal.read_bytes().splitlines(keepends=True)
    kinds = [event["event_type"] for event in module_script.events(journal.stem)]
    return [(kind, sum(map(len, lines[:i]))) for i, kind in enumerate(kinds)]


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_journal_that_cannot_grow_any_more(share, places, script):
    """Limits at and in the middle of lines, among them starts of units, which workers write."""
    starts = [place for kind, place in places if kind == "UNIT_STARTED"]
    limit = starts[int(share * len(starts))] + (20 if share > 0.5 else 0)

    def limit_it():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    result = script("run", *PLAIN, preexec_fn=limit_it, timeout=90)
    assert "limit was reached" in refused(result)
    assert script.half_written() == []
    (journal,) = script.journals()
    kinds = {event["event_type"] for event in script.events(journal.stem)}
    assert "UNIT_FAILED" not in kinds
    resumed(script, journal.stem)


@pytest.mark.parametrize("free_kb", [24, 100])
def test_a_disk_of_its_own_that_fills_up(free_kb, script, tmp_path):
    words = [SCRIPT, "run", *PLAIN, "--quiet"]
    alone = ["unshare", "-Urm", sys.executable, str(Path(__file__).with_name("filling.py"))]
    try:
        result = subprocess.run(
            [*alone, str(tmp_path), str(free_kb), *words],
            env=script.environ,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
    except FileNotFoundError:
        pytest.skip("no unshare here")
    if result.returncode == 99 or "unshare" in result.stderr:
        pytest.skip(f"no mount of one's own is permitted here: {result.stderr.strip()}")
    assert result.returncode == 3, result.stderr
    assert "Traceback" not in result.stderr
    assert "The disk is full" in result.stderr
    script.home.rmdir()
    (tmp_path / "kept").rename(script.home)
    assert script.half_written() == []
    assert script.journals() or free_kb < 100
    for journal in script.journals():
        resumed(script, journal.stem)


def test_a_disk_that_fills_up_during_the_pictures(script):
    result = script("run", *STUB, preexec_fn=limited(64))
    told = refused(result)
    assert ".png" in told
    assert "raise it" in told.partition("Hint:")[2]
    names = {name.rpartition("/")[2] for name in script.files()}
    assert {"winners.json", "winners.md", "ab_diff.csv"} <= names
    assert "pareto.png" not in names
    assert script.half_written() == []
    (journal,) = script.journals()
    again = script("report", journal.stem)
    assert again.code == 0, again.text
    assert any(name.endswith("/pareto.png") for name in script.files())


def test_a_full_disk_is_told_in_json_too(script):
    result = script("run", "--json", *PLAIN, preexec_fn=limited(4))
    assert result.code == 3
    content = result.json
    error = content["error"]
    assert error["type"] == "storage"
    assert "cannot write" in error["msg"]
