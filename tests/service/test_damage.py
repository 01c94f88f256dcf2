"""Journals that were damaged: told as such wherever they are shown, and never taken for others."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys

import pytest

from orchestra_core.artifacts import Home
from orchestra_core.journal.events import EventType
from orchestra_core.journal.lock import RunLock
from orchestra_core.journal.log import JournalWriter
from orchestra_core.service.errors import ServiceError
from orchestra_core.service.options import ServiceOptions
from orchestra_core.service.pages import Pages
from orchestra_core.service.service import Service

from .conftest import TARGET, clean_environment, until


def altered(line: bytes) -> bytes:
    """The line with one bit that is another."""
    return line[:30] + bytes([line[30] ^ 1]) + line[31:]


def with_altered(content: bytes, number: int) -> bytes:
    """A journal with its line of that number altered, from 0."""
    lines = content.splitlines(keepends=True)
    return b"".join((*lines[:number], altered(lines[number]), *lines[number + 1 :]))


def finished(served, **body):
    """A run that is over, and its journal's path."""
    run_id = served.run(**body)["run_id"]
    served.wait(run_id, "completed")
    until(lambda: served.worker(run_id) is None)
    return run_id, served.home / "reports" / "events" / f"{run_id}.jsonl"


def test_a_completed_run_without_its_beginning_is_kept_and_told(serve):
    first = serve()
    run_id, journal = finished(first)
    first.stop()
    journal.write_bytes(before := with_altered(journal.read_bytes(), 0))
    second = serve("--resume")
    status = second.status(run_id)
    assert (status["status"], status["bad_lines"], status["best"]) == ("completed", 1, None)
    assert "event 1 is lost" in status["warnings"][-1]
    listed = second.get("/orchestrate/runs").json()["runs"]
    assert [row["status"] for row in listed] == ["completed"]
    report = second.get("/orchestrate/report", run_id=run_id)
    assert (report.status_code, report.json()["code"]) == (409, "unreadable")
    assert second.resume(run_id).status_code == 409
    page = second.get(f"/runs/{run_id}")
    assert page.status_code == 200
    assert "event 1 is lost" in page.text
    assert second.events(run_id)[-1] == {"end": True}
    name = f"reports/events/{run_id}.jsonl"
    assert second.get(f"/orchestrate/artifacts/{run_id}/{name}").content == before
    assert journal.read_bytes() == before
    assert "Traceback" not in second.log.read_text()


def test_an_interrupted_run_without_its_beginning_is_not_begun_again(serve):
    first = serve(SERVICE_STUB_DIES="1")
    run_id = first.run()["run_id"]
    first.wait(run_id, "interrupted")
    first.stop()
    journal = Home(first.home).journal(run_id)
    journal.write_bytes(before := with_altered(journal.read_bytes(), 0))
    second = serve("--resume")
    assert second.status(run_id)["status"] == "interrupted"
    told = second.resume(run_id)
    assert (told.status_code, told.json()["code"]) == (409, "unreadable")
    assert "Restore the journal from a copy" in told.json()["hint"]
    assert journal.read_bytes() == before


def test_a_journal_without_a_beginning_is_not_a_run_that_never_was(serve):
    served = serve()
    home = Home(served.home)
    writer = JournalWriter(home.journal("mine"), "mine", create=True)
    writer.append_all([(EventType.RETRY, {})])
    lock = RunLock(home.lock("mine"))
    try:
        found = served.status("mine")["status"]
    finally:
        lock.release()  # else the clean-up would end the process that holds it: this one
    assert found == "running"
    assert served.status("mine")["status"] == "interrupted"
    listed = served.get("/orchestrate/runs").json()["runs"]
    assert [row["status"] for row in listed] == ["interrupted"]
    assert "event 1 is lost" in served.get("/runs/mine").text
    told = served.get("/orchestrate/report", run_id="mine")
    assert (told.status_code, told.json()["code"]) == (409, "unreadable")
    assert served.events("mine")[-1] == {"end": True}


def test_a_report_is_refused_as_on_the_command_line(serve):
    first = serve()
    run_id, journal = finished(first, mode="grid")
    first.stop()
    lines = journal.read_bytes().splitlines()
    number = next(n for n, line in enumerate(lines) if b'"JOB_DONE"' in line)
    journal.write_bytes(with_altered(journal.read_bytes(), number))
    served = serve()
    answer = served.get("/orchestrate/report", run_id=run_id)
    command = [sys.executable, "-P", "-m", "orchestra_core", "report", run_id, *TARGET]
    done = subprocess.run(
        command, cwd=served.home, env=clean_environment(), capture_output=True, text=True, check=False
    )
    assert (answer.status_code, done.returncode) == (409, 3)
    assert answer.json()["message"] in done.stderr
    assert f"event {number + 1} is lost" in served.get(f"/runs/{run_id}").text
    assert f"event {number + 1} is lost" in served.status(run_id)["warnings"][-1]


@pytest.fixture(scope="module")
def journal(served):
    """A whole run's."""
    run_id, path = finished(served, mode="full")
    return run_id, path.read_bytes()


def test_whatever_line_is_damaged_everything_is_told(journal, tmp_path):
    run_id, content = journal
    home = Home(tmp_path)
    home.journal(run_id).parent.mkdir(parents=True)
    whole = len(content.splitlines())

    async def ask():
        service = Service(ServiceOptions(home=home))
        with pytest.raises(ServiceError) as told:
            await service.report(run_id)
        if "damaged" not in told.value.message:  # what follows rests on what is lost
            assert told.value.status == 409
            return False
        status, page = (
            json.loads(await service.status(run_id)),
            await Pages(service).run(run_id, whole=True),
        )
        assert status["bad_lines"] == 1
        assert told.value.message in status["warnings"]
        assert told.value.message in page.decode()
        return True

    readable = 0
    for number in range(whole):
        home.journal(run_id).write_bytes(with_altered(content, number))
        readable += asyncio.run(ask())
    assert readable > whole / 2
