"""Where a run stands, at the moments between its states: nobody is told a state that is not so."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys

import pytest

from orchestra_core.artifacts import Home
from orchestra_core.errors import RunNotFound
from orchestra_core.service.options import ServiceOptions
from orchestra_core.service.orders import Order
from orchestra_core.service.service import Service

from .conftest import clean_environment, until


def orchestra(served, *words):
    """A command beside the service."""
    command = [sys.executable, "-P", "-m", "orchestra_core", *words]
    environ = clean_environment(SERVICE_STUB_HOLD=str(served.home.parent / "held"))
    return subprocess.Popen(
        command, cwd=served.home, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def kinds(served, run_id):
    return [event["event_type"] for event in served.journal(run_id)]


def cancelled(served, held, **body):
    """A run that was cancelled after its first unit, and whose worker is gone."""
    held("asking")
    run_id = served.run(again=True, **body)["run_id"]
    until(lambda: "HEALTH_OK" in kinds(served, run_id))
    served.cancel(run_id)
    held.release()
    served.wait(run_id, "cancelled")
    until(lambda: served.worker(run_id) is None)
    served.events(run_id)  # to its end
    return run_id


def interrupted(served, held):
    """The id of a run whose worker was killed while it asked."""
    held("asking")
    run_id = served.run()["run_id"]
    served.wait(run_id, "running")
    os.kill(served.worker(run_id), signal.SIGKILL)
    served.wait(run_id, "interrupted")
    return run_id


def test_a_worker_that_cannot_be_started_is_told(serve, held):
    served = serve("--workers", "1", **held.environ)
    held("asking")
    first, second = (served.run(again=True)["run_id"] for _ in range(2))
    served.order(second, "output.log").mkdir()
    held.release()
    served.wait(first)
    status = served.wait(second)
    assert (status["status"], status["error"]["type"]) == ("refused", "worker")
    assert "its process could not be started" in status["error"]["msg"]
    assert served.events(second) == [{"end": True}]
    assert served.run(again=False)["run_id"] != second


def test_a_run_that_is_taken_up_again_is_starting_and_can_be_cancelled(serve, held):
    served = serve(**held.environ)
    run_id = cancelled(served, held)
    held("starting")
    answer = served.resume(run_id)
    assert (answer.status_code, answer.json()["status"]) == (202, "starting")
    until(lambda: held.pids("starting"))
    assert served.status(run_id)["status"] == "starting"
    twice = served.resume(run_id)
    assert (twice.status_code, twice.json()["code"]) == (409, "not_resumable")
    assert served.status(run_id)["queue_position"] is None
    assert served.cancel(run_id).status_code == 202
    held.release()
    until(lambda: served.worker(run_id) is None)
    assert served.wait(run_id, "cancelled")["status"] == "cancelled"
    assert "RUN_COMPLETED" not in kinds(served, run_id)


def test_an_interrupted_run_that_is_taken_up_again_is_starting(serve, held):
    served = serve(**held.environ)
    run_id = interrupted(served, held)
    held("starting")
    assert served.resume(run_id).json()["status"] == "starting"
    until(lambda: held.pids("starting"))
    assert served.status(run_id)["status"] == "starting"
    listed = served.get("/orchestrate/runs").json()["runs"]
    assert [row["status"] for row in listed] == ["starting"]
    held.release()
    assert served.wait(run_id)["status"] == "completed"


def test_a_resume_that_is_refused_is_told_at_once_and_on_the_page(serve, held):
    served = serve(**held.environ)
    run_id = cancelled(served, held)
    assert served.status(run_id)["error"]["type"] == "cancelled"
    page = served.get(f"/runs/{run_id}").text
    experiment = served.order(run_id, "experiment.json")
    experiment.write_text(experiment.read_text().replace('"seed": 20251107', '"seed": 1'))
    served.resume(run_id)
    status = served.wait(run_id, "cancelled")
    assert status["error"]["type"] == "run_changed"
    assert served.get(f"/runs/{run_id}").text != page


def test_a_resume_without_room_changes_nothing(serve, held):
    served = serve("--workers", "1", "--queue", "0", **held.environ)
    run_id = cancelled(served, held)
    held("asking")
    served.run(again=True)
    before = served.order(run_id).read_bytes()
    answer = served.resume(run_id)
    assert (answer.status_code, answer.json()["code"]) == (429, "queue_full")
    assert served.order(run_id).read_bytes() == before
    assert json.loads(before)["cancelled_at"]


def test_a_run_that_is_carried_by_hand_can_be_cancelled(serve, held):
    served = serve(**held.environ)
    run_id = interrupted(served, held)
    with orchestra(served, "resume", run_id) as process:
        until(lambda: "RUN_RESUMED" in kinds(served, run_id))
        assert served.cancel(run_id).status_code == 202
        held.release()
        assert process.wait() == 130
    assert served.status(run_id)["status"] == "cancelled"


def test_removed_runs_are_forgotten(serve):
    served = serve()
    bodies, key = [{"mode": "smoke"}, {"mode": "grid"}], {"Idempotency-Key": "one"}
    first = served.run(**bodies[0])["run_id"]
    second = served.post("/orchestrate/run", bodies[1], headers=key).json()["run_id"]
    for run_id in (first, second):
        served.wait(run_id)
        until(lambda run_id=run_id: served.worker(run_id) is None)
    with orchestra(served, "gc", "--keep", "0") as process:
        assert process.wait() == 0
    again = served.post("/orchestrate/run", bodies[0])
    assert (again.status_code, again.json()["existing"]) == (202, False), again.text
    keyed = served.post("/orchestrate/run", bodies[1], headers=key)
    assert (keyed.status_code, keyed.json()["existing"]) == (202, False), keyed.text
    assert served.get("/orchestrate/status", run_id=second).status_code == 404
    listed = served.get("/orchestrate/runs").json()["runs"]
    assert {row["run_id"] for row in listed} == {a.json()["run_id"] for a in (again, keyed)}


def test_everybody_who_asks_for_a_removed_run_is_told_so(tmp_path):
    async def ask():
        service = Service(ServiceOptions(home=Home(tmp_path)))
        order = Order(run_id="y", name="y", created_at="2026", mode="full", until=None, request="r",
                      plan_hash="p", requests=1)  # fmt: skip
        service.pool.orders.put(order)
        asking = (service.follower("y") for _ in range(3))
        return await asyncio.gather(*asking, return_exceptions=True)

    assert [type(told) for told in asyncio.run(ask())] == [RunNotFound] * 3


def test_a_key_leads_to_the_run_that_was_there(serve, held):
    served = serve(**held.environ)
    key = {"Idempotency-Key": "one"}
    held("asking")
    run_id = served.run(mode="grid")["run_id"]
    found = served.post("/orchestrate/run", {"mode": "grid"}, headers=key).json()
    assert (found["run_id"], found["existing"]) == (run_id, True)
    other = served.post("/orchestrate/run", {"mode": "smoke"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "key_reused")
    served.cancel(run_id)
    held.release()
    served.wait(run_id, "cancelled")
    served.stop(signal.SIGTERM)
    after = serve(**held.environ).post("/orchestrate/run", {"mode": "grid"}, headers=key)
    assert (after.status_code, after.json()["run_id"]) == (200, run_id)


def test_the_same_request_finds_its_run_in_a_full_queue(serve, held):
    served = serve("--workers", "1", "--queue", "1", **held.environ)
    held("asking")
    served.run(mode="full")
    waiting = served.run(mode="grid")
    same = served.post("/orchestrate/run", {"mode": "grid"})
    assert (same.status_code, same.json()["run_id"]) == (200, waiting["run_id"])
    assert served.post("/orchestrate/run", {"mode": "smoke"}).status_code == 429


def test_those_that_run_count_before_older_ones_are_taken_up(serve, held):
    first = serve("--workers", "3", **held.environ)
    held("asking")
    runs = [first.run(again=True)["run_id"] for _ in range(3)]
    for run_id in runs:
        first.wait(run_id, "running")
    os.kill(first.worker(runs[0]), signal.SIGKILL)
    first.stop(signal.SIGKILL)
    second = serve("--workers", "2", "--resume", **held.environ)
    assert second.get("/readyz").json() == {"status": "ok", "running": 2, "queued": 1}
    assert [second.status(run_id)["status"] for run_id in runs] == ["queued", "running", "running"]
    held.release()
    for run_id in runs:
        assert second.wait(run_id)["status"] == "completed"


def test_an_accepted_resume_outlives_the_service(serve, held):
    first = serve("--workers", "1", **held.environ)
    run_id = cancelled(first, held)
    held("asking")
    running = first.run(again=True)["run_id"]
    assert first.resume(run_id).json()["queue_position"] == 1
    first.stop(signal.SIGKILL)
    second = serve("--workers", "1", **held.environ)
    assert second.status(run_id)["queue_position"] == 1
    held.release()
    assert second.wait(running)["status"] == "completed"
    assert second.wait(run_id)["status"] == "completed"
    assert kinds(second, run_id).count("RUN_RESUMED") == 1


@pytest.mark.parametrize("also_worker", [True, False], ids=["with its worker", "alone"])
def test_a_service_that_is_killed_while_a_worker_starts(also_worker, serve, held):
    first = serve(**held.environ)
    held("starting")
    run_id = first.run()["run_id"]
    (worker,) = until(lambda: held.pids("starting"))
    assert first.status(run_id)["status"] == "starting"
    report = first.get("/orchestrate/report", run_id=run_id)
    assert (report.status_code, report.json()["code"]) == (409, "not_begun")
    first.stop(signal.SIGKILL)
    if also_worker:
        os.kill(worker, signal.SIGKILL)
    second = serve(**held.environ)
    assert second.status(run_id)["status"] == "starting"
    until(lambda: len(held.pids("starting")) == 2)
    held.release()
    assert second.wait(run_id)["status"] == "completed"
    assert kinds(second, run_id).count("RUN_STARTED") == 1
    events = second.journal(run_id)
    done = [event["payload"]["unit"] for event in events if event["event_type"] == "UNIT_DONE"]
    assert len(done) == len(set(done))


@pytest.mark.parametrize("torn", [b"", b'{"v":1,"seq":1,"run_id":'], ids=["empty", "a torn line"])
def test_a_run_whose_worker_died_before_it_began_is_begun_again(torn, serve, held):
    first = serve("--workers", "1", **held.environ)
    held("asking")
    first.wait(first.run(again=True)["run_id"], "running")
    waiting = first.run(again=True)["run_id"]
    first.stop(signal.SIGKILL)
    Home(first.home).journal(waiting).write_bytes(torn)
    held.release()
    second = serve("--workers", "1", **held.environ)
    assert second.wait(waiting)["status"] == "completed"


def test_a_journal_with_any_line_is_never_removed(serve, held):
    first = serve("--workers", "1", **held.environ)
    held("asking")
    first.wait(first.run(again=True)["run_id"], "running")
    waiting = first.run(again=True)["run_id"]
    first.stop(signal.SIGKILL)
    journal = Home(first.home).journal(waiting)
    journal.write_bytes(before := b"this was a line\n")
    held.release()
    second = serve("--workers", "1", **held.environ)
    assert second.status(waiting)["status"] == "interrupted"
    assert second.get(f"/runs/{waiting}").status_code == 200
    assert second.resume(waiting).json()["code"] == "unreadable"
    assert journal.read_bytes() == before
