"""Ctrl-C, SIGTERM, SIGHUP in the middle: the run stops at once, and what is done is told and kept."""

import json
import signal

import pytest

STUCK = ("--plugins", "stuck_target")


@pytest.fixture
def in_the_grid(script, started, wait_for):
    """Start a run, and wait until its target hangs in the grid."""

    def start(*words):
        process = started("run", *STUCK, *words)

        def reached():
            return any(b'"GRID_RUNG_STARTED"' in path.read_bytes() for path in script.journals())

        wait_for(reached)
        return process

    return start


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_run_at_once(number, script, in_the_grid):
    process = in_the_grid("--plugins", "no:reporters")
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert "Traceback" not in out + err
    assert "Error: interrupted by the user" in err
    assert "Hint: What is done is in the report." in err
    (journal,) = script.journals()
    run_id = journal.stem
    assert f"stub · {run_id} · cancelled" in out
    kinds = [event["event_type"] for event in script.events(run_id)]
    assert kinds.index("SMOKE_DONE") < kinds.index("RUN_CANCELLED")
    entry = json.loads((script.home / "reports" / "memory" / f"{run_id}.json").read_bytes())
    assert entry["status"] == "cancelled"
    assert script.half_written() == []
    assert not (script.home / "reports" / "winners.final.json").exists()


def test_an_interrupted_run_has_its_report(script, in_the_grid):
    process = in_the_grid()
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    (journal,) = script.journals()
    path = f"reports/{journal.stem}/winners.md"
    assert f"  {path}\n" in out
    assert "interrupted by the user" in (script.home / path).read_text(encoding="utf-8")
    kinds = [event["event_type"] for event in script.events(journal.stem)]
    assert "ARTIFACT_WRITTEN" in kinds[kinds.index("RUN_CANCELLED") :]


def test_json_tells_of_the_interruption(script, in_the_grid):
    process = in_the_grid("--json", "--plugins", "no:reporters")
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=120)
    outcome = json.loads(out)
    assert (
        (outcome["status"], outcome["exit_code"])
        == ("cancelled", process.returncode)
        == (
            "cancelled",
            130,
        )
    )
    assert outcome["error"]["type"] == "cancelled"


def test_others_can_watch_until_it_ends(script, in_the_grid, started, wait_for):
    run = in_the_grid("--plugins", "no:reporters")
    assert script("status", "latest", "--json").json["status"] == "running"
    watcher = started("events", "latest", "--follow")
    seen = []

    def caught_up():
        seen.append(watcher.stdout.readline())
        return "GRID_RUNG_STARTED" in seen[-1]

    wait_for(caught_up)
    assert watcher.poll() is None
    run.send_signal(signal.SIGTERM)
    rest, _ = watcher.communicate(timeout=120)
    assert watcher.returncode == 0
    assert "RUN_CANCELLED" in rest
    run.communicate(timeout=120)


def test_an_interrupt_before_the_run_began_leaves_nothing(script, started, wait_for):
    process = started("run", "--plugins", "slow_to_load")
    wait_for((script.home / "loading").exists)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert out == ""
    assert err.strip() == "Interrupted."
    assert list(script.files()) == ["loading"]
