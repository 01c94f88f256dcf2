"""Starts and kills of real processes: whatever was there can be seen and gone on with."""

import pytest

from orchestra_core.artifacts import Home
from orchestra_core.history import read_history

WORDS = ("--plugins", "patient_target", "--plugins", "no:reporters")
GRID = ("--set", "stages.grid.probe=0")


@pytest.fixture
def sign(script):
    """`sign("down")` puts a file there that the target heeds; `sign("down", False)` takes it away."""

    def put(name, there=True):
        path = script.home / name
        path.touch() if there else path.unlink()
        return path

    return put


@pytest.fixture
def opening(script, started, sign, wait_for):
    """A run whose runner takes long to open."""
    sign("hold-opening")
    process = started("run", *WORDS, "--run-id", "first")
    wait_for((script.home / "opening").exists)
    return process


def test_a_run_can_be_seen_while_its_runner_opens(opening, script, sign):
    status = script("status", "latest", "--json")
    assert status.code == 0, status.text
    assert (status.json["status"], status.json["process_gone"]) == ("running", False)
    assert [row["run_id"] for row in script("list", "--json").json] == ["first"]
    sign("hold-opening", False)
    _, err = opening.communicate(timeout=60)
    assert opening.returncode == 0, err
    kinds = [event["event_type"] for event in script.events("first")]
    assert kinds[:4] == ["RUN_STARTED", "RETRY", "GUARD_RULING", "HEALTH_OK"]


def test_what_is_started_again_meanwhile_points_to_it(opening, script, sign):
    again = script("run", *WORDS)
    assert again.code == 2
    assert "is running as first" in again.err
    fork = script("resume", "first", "--fork")
    assert fork.code == 2
    assert f"process {opening.pid} on" in fork.err
    sign("hold-opening", False)
    opening.communicate(timeout=60)
    assert [path.stem for path in script.journals()] == ["first"]


def test_started_at_once_it_runs_once(script, started):
    processes = [started("run", *WORDS, "--quiet") for _ in range(3)]
    told = [process.communicate(timeout=120) for process in processes]
    assert 0 in {process.returncode for process in processes}
    for process, (_, err) in zip(processes, told, strict=True):
        assert process.returncode == 0 or "is running as" in err
    assert len(script.journals()) == 1
    assert len(read_history(Home(script.home))) == 1


def test_killed_while_its_runner_opened(opening, script, sign):
    opening.kill()
    opening.communicate(timeout=120)
    sign("hold-opening", False)
    assert [row["process_gone"] for row in script("list", "--json").json] == [True]
    assert "it was killed" in script("status", "first").out
    follow = script("events", "first", "--follow", timeout=120)
    assert "process of this run is gone" in follow.err
    assert "ended before anything was asked" in script("replay", "first").err
    resumed = script("resume", "first", "--json")
    assert resumed.code == 0, resumed.text
    assert resumed.json["status"] == "completed"
    assert script("verify", "first", "--plugins", "patient_target").code == 0


def test_killed_in_the_grid(script, started, sign, wait_for):
    sign("hold-grid")
    process = started("run", *WORDS, "--run-id", "first")
    wait_for((script.home / "asked").exists)
    process.kill()
    process.communicate(timeout=120)
    assert script("report", "first", *WORDS[2:]).out.startswith("first: killed")
    sign("hold-grid", False)
    before = script.events("first")
    assert script("resume", "first").code == 0
    events = script.events("first")
    assert events[: len(before)] == before
    done = [e["payload"]["unit"] for e in events if e["event_type"] == "UNIT_DONE"]
    assert len(done) == len(set(done))
    for command in ("verify", "replay"):
        checked = script(command, "first", *(WORDS[:2] if command == "verify" else ()))
        assert checked.code == 0, checked.text
    undisturbed = script("run", *WORDS, "--again", "--json").json
    assert undisturbed["winner"] == script("status", "first", "--json").json["winner"]


def test_only_what_failed_is_asked_again(script, sign):
    sign("down")
    assert script("run", *WORDS, "--run-id", "first").code == 3
    sign("down", False)
    stopped = script("resume", "first", "--failed-only")
    assert stopped.code == 130, stopped.text
    assert "what had failed or was interrupted was asked again" in stopped.err
    kinds = [event["event_type"] for event in script.events("first")]
    assert "UNIT_DONE" in kinds[kinds.index("RUN_RESUMED") :]
    assert "AB_STARTED" not in kinds
    assert script("resume", "first").code == 0


def test_a_unit_that_kills_is_set_aside(script, sign):
    sign("deadly")
    words = ("run", *WORDS, *GRID, "--run-id", "first", "--set", "concurrency=1")
    deaths = 0
    while deaths < 40 and script(*words).code == 9:
        words, deaths = ("resume", "first"), deaths + 1
    failed = [e["payload"] for e in script.events("first") if e["event_type"] == "UNIT_FAILED"]
    assert {payload["error"]["type"] for payload in failed} == {"quarantined"}
    assert deaths == 3 * len(failed)
    assert "died 3 times" in script("events", "first").out


def test_what_replay_puts_back(script, sign):
    assert script("run", "--plugins", "patient_target", "--run-id", "first").code == 0
    path = script.home / "reports" / "first" / "winners.md"
    content = path.read_bytes()
    path.unlink()
    assert script("replay", "first").code == 3
    assert script("replay", "first", "--write").code == 0
    assert path.read_bytes() == content
    assert script("replay", "first").code == 0
