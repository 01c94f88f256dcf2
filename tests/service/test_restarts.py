"""A service that is killed or stopped, and the next one on the same home folder."""

import os
import signal

import pytest

from .conftest import until


def test_runs_outlive_a_killed_service_and_are_found_again(serve, held):
    first = serve("--workers", "1", **held.environ)
    held("asking")
    running = first.run()["run_id"]
    waiting = first.run(again=True)["run_id"]
    cancelled = first.run(again=True)["run_id"]
    first.post("/orchestrate/cancel", {"run_id": cancelled})
    first.wait(running, "running")
    first.stop(signal.SIGKILL)
    second = serve("--workers", "1", **held.environ)
    assert second.status(running)["status"] == "running"
    assert second.status(waiting)["queue_position"] == 1  # the worker of the first service counts
    assert second.status(cancelled)["status"] == "cancelled"
    held.release()
    assert second.wait(running)["status"] == "completed"
    assert second.wait(waiting)["status"] == "completed"
    again = second.run()
    assert (again["existing"], again["run_id"]) == (True, waiting)  # the newest of the same
    ends = [e for e in second.journal(running) if e["event_type"] == "RUN_COMPLETED"]
    assert len(ends) == 1


def test_an_adopted_run_can_be_cancelled(serve, held):
    first = serve(**held.environ)
    held("asking")
    run_id = first.run()["run_id"]
    first.wait(run_id, "running")
    first.stop(signal.SIGKILL)
    second = serve(**held.environ)
    assert second.cancel(run_id).status_code == 202
    held.release()
    assert second.wait(run_id)["status"] == "cancelled"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP], ids=lambda number: number.name)
def test_a_stopped_service_interrupts_its_runs_with_reports(number, serve, held):
    first = serve("--workers", "1", **held.environ)
    held("asking")
    running, waiting = (first.run(again=True)["run_id"] for _ in range(2))
    first.wait(running, "running")
    first.stop(number)
    held.release()
    assert first.log.read_text() == ""
    assert first.process.returncode in {0, -signal.SIGTERM}
    kinds = [event["event_type"] for event in first.journal(running)]
    assert "RUN_CANCELLED" in kinds
    second = serve("--workers", "1")
    assert second.status(running)["status"] == "cancelled"
    assert second.wait(waiting)["status"] == "completed"


def test_a_killed_run_is_interrupted_for_whoever_asks(serve, held):
    served = serve(**held.environ)
    held("asking")
    run_id = served.run()["run_id"]
    served.wait(run_id, "running")
    os.kill(served.worker(run_id), signal.SIGKILL)
    assert served.wait(run_id)["status"] == "interrupted"
    *_, end = served.events(run_id)
    assert end == {"end": True}


def test_one_service_per_home_folder(serve, refused_to_serve):
    served = serve()
    done = refused_to_serve("--port", "0", home=served.home)
    assert done.returncode == 2
    assert "another service is serving this home folder" in done.stderr


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--host", "0.0.0.0"), "no token is set"),  # noqa: S104
        (("--host", "example.org"), "no token is set"),
        (("--token-file", "missing"), "cannot read the token"),
        (("--port", "70000"), "70000 is not in the range"),
        (("--allow-host", "http://foo"), "'http://foo' is not a host"),
        (("--plugins", "nosuch"), "nosuch"),
        (("--set", "stages.gird.sample=5"), "Did you mean 'grid'?"),
        (("--set", "dataset=nosuch"), "there is no dataset 'nosuch'"),
    ],
)
def test_what_is_refused_at_the_start(words, told, refused_to_serve):
    done = refused_to_serve(*words)
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def test_a_taken_port_is_told(serve, refused_to_serve, tmp_path):
    port = serve().url.rpartition(":")[2]
    other = tmp_path / "other"
    other.mkdir()
    done = refused_to_serve("--port", port, home=other)
    assert done.returncode == 3
    assert done.stderr.startswith(f"Error: cannot listen on 127.0.0.1, port {port}: Address already in")


def test_a_worker_that_never_began_leaves_its_reason(serve, held):
    served = serve("--workers", "1", **held.environ)
    held("asking")
    first = served.run()["run_id"]
    waiting = served.run(again=True)["run_id"]
    experiment = served.home / "reports" / "service" / waiting / "experiment.json"
    experiment.write_text('{"nothing": 1}')
    served.cancel(first)
    held.release()
    status = served.wait(waiting)
    assert status["status"] == "refused"
    assert "unknown key 'nothing'" in status["error"]["msg"]
    told = served.get("/orchestrate/report", run_id=waiting)
    assert (told.status_code, told.json()["code"]) == (409, "not_begun")


def finished_units(events):
    """The keys of the units that were done; one that was repeated stands twice."""
    return [e["payload"]["unit"] for e in events if e["event_type"] == "UNIT_DONE"]


@pytest.mark.parametrize("also_workers", [True, False], ids=["with workers", "service alone"])
def test_killed_in_the_middle_of_two_runs_both_finish_with_resume(also_workers, serve, held):
    first = serve(**held.environ)
    held("probing")
    runs = [first.run(again=True, mode=mode)["run_id"] for mode in ("full", "ab")]
    until(lambda: len(held.pids("probing")) == 2)
    assert all(finished_units(first.journal(run_id)) for run_id in runs)
    if also_workers:
        for run_id in runs:
            os.kill(first.worker(run_id), signal.SIGKILL)
    first.stop(signal.SIGKILL)
    held.release()
    second = serve("--resume", **held.environ)
    for run_id in runs:
        status = second.wait(run_id)
        assert (status["status"], status["verdict"]["kind"]) == ("completed", "win")
        events = second.journal(run_id)
        done = finished_units(events)
        assert len(done) == len(set(done)) > 5
        resumed = [event for event in events if event["event_type"] == "RUN_RESUMED"]
        assert len(resumed) == also_workers


def test_an_interrupted_run_waits_for_the_call_that_resumes_it(serve, held):
    first = serve(**held.environ)
    held("asking")
    run_id = first.run()["run_id"]
    first.wait(run_id, "running")
    first.stop(signal.SIGTERM)
    held.release()
    second = serve(**held.environ)
    assert second.status(run_id)["status"] == "cancelled"
    answer = second.post("/orchestrate/resume", {"run_id": run_id})
    assert answer.status_code == 202, answer.text
    assert answer.json()["status"] in {"queued", "starting", "running"}
    assert second.wait(run_id, "completed")["verdict"]["kind"] == "win"
    again = second.post("/orchestrate/resume", {"run_id": run_id})
    assert (again.status_code, again.json()["code"]) == (409, "not_resumable")
