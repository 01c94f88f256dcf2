"""`orchestra events`: the journal on the terminal."""

import json
import subprocess
import sys

from orchestra_core.journal.events import EventType
from orchestra_core.journal.log import JournalReader, JournalWriter


def test_one_event_a_line(orchestra, finished):
    lines = orchestra("events", "latest").out.splitlines()
    assert [int(line.split()[0]) for line in lines] == list(range(1, len(lines) + 1))
    assert lines[0].split()[2] == "RUN_STARTED"
    assert finished[1] in lines[0]
    assert {"SMOKE_DONE", "GRID_RUNG_DONE", "VERDICT", "RUN_COMPLETED"} <= {
        line.split()[2] for line in lines
    }


def test_json_lines_are_the_journal_s(orchestra, finished):
    home, run_id = finished
    told = [json.loads(line) for line in orchestra("events", run_id, "--json").out.splitlines()]
    kept = (home / "reports" / "events" / f"{run_id}.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(told) == len(kept)
    for line, raw in zip(told, map(json.loads, kept), strict=True):
        assert set(line) == {"seq", "event_type", "payload", "created_at"}
        assert line == {key: raw[key] for key in line}


def test_following_a_finished_run_ends(shell, finished):
    plain = shell("events", "latest", ORCHESTRA_HOME=str(finished[0]))
    followed = shell("events", "latest", "--follow", ORCHESTRA_HOME=str(finished[0]))
    assert followed.code == 0
    assert followed.out == plain.out


def test_an_unterminated_last_line_is_not_shown(orchestra, finished):
    home, run_id = finished
    before = orchestra("events", run_id).out
    journal = home / "reports" / "events" / f"{run_id}.jsonl"
    with journal.open("ab") as stream:
        stream.write(b'{"v":1,"seq":99')
    assert orchestra("events", run_id).out == before


def test_following_a_run_whose_process_is_gone_ends(shell, finished):
    home, run_id = finished
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    started = next(iter(JournalReader(home / "reports" / "events" / f"{run_id}.jsonl")))
    writer = JournalWriter(home / "reports" / "events" / "killed.jsonl", "killed", create=True)
    writer.append(EventType.RUN_STARTED, {**started.payload, "pid": process.pid})
    writer.close()
    followed = shell("events", "killed", "--follow", ORCHESTRA_HOME=str(home))
    assert followed.code == 0
    assert "process of this run is gone" in followed.err
    assert "it was killed" in shell("status", "killed", ORCHESTRA_HOME=str(home)).out
