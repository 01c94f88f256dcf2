"""The calls as users make them, against a real service whose runs are real processes."""

from __future__ import annotations

import json

import pytest

from orchestra_core.service import answers


def test_the_three_calls_as_written(served):
    """Verbatim: run, status, report."""
    answer = served.client.post(
        "/orchestrate/run", content=b'{"collection":"fiqa_para_50k","mode":"full"}',
        headers={"Content-Type": "application/json"},
    )  # fmt: skip
    assert answer.status_code == 202, answer.text
    accepted = answers.Accepted.model_validate(answer.json())
    assert accepted.status in {"queued", "starting", "running"}
    assert answer.headers["location"] == f"/orchestrate/status?run_id={accepted.run_id}"
    status = served.wait(accepted.run_id)
    answers.Status.model_validate_json(json.dumps(status))
    assert status["status"] == "completed"
    assert status["verdict"]["kind"] == "win"
    assert status["winner"] == "fiqa_para_50k-q0p9"
    assert status["best"]["metric"] == "recall@10"
    assert {stage: s["status"] for stage, s in status["stages"].items()} == dict.fromkeys(
        ("smoke", "grid", "ab", "select", "publish"), "done"
    )
    assert "VERDICT" in [event["event_type"] for event in status["events"]]
    report = served.get("/orchestrate/report", run_id=accepted.run_id).json()
    assert report["report"]["verdict"]["kind"] == "win"
    files = {file["path"]: file["url"] for file in report["artifacts"]}
    assert f"reports/events/{accepted.run_id}.jsonl" in files
    for path, url in files.items():
        answer = served.get(url)
        assert answer.status_code == 200, url
        assert answer.content == (served.home / path).read_bytes()
        assert "sandbox" in answer.headers["content-security-policy"]


def test_a_collection_without_data_is_told_with_its_remedy(served):
    answer = served.post("/orchestrate/run", {"collection": "absent_para"})
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert told["code"] == "dataset"
    assert told["hint"] == "Fetch it once, where the service runs: orchestra data pull absent"


def test_an_unknown_collection_names_the_nearest(served):
    answer = served.post("/orchestrate/run", {"collection": "fiqa_para_50"})
    assert answer.status_code == 422
    assert "Did you mean 'fiqa_para_50k'?" in answer.json()["hint"]


@pytest.mark.parametrize("mode", ["smoke", "grid", "ab"])
def test_a_mode_ends_after_its_stage(mode, served):
    accepted = served.run(mode=mode, again=True)
    status = served.wait(accepted["run_id"])
    order = ["smoke", "grid", "ab"]
    assert list(status["stages"]) == order[: order.index(mode) + 1]
    assert (status["status"], status["mode"], status["published"]) == ("completed", mode, False)
    assert status["error"] is None


def test_a_dry_run_answers_with_the_plan_and_sends_nothing(served):
    before = served.get("/orchestrate/runs").json()["total"]
    body = {"dry_run": True, "mode": "grid", "overrides": {"top_k": [5, 10], "sample": 15}}
    answer = served.post("/orchestrate/run", body)
    assert answer.status_code == 200
    plan = answers.DryRun.model_validate_json(answer.content).plan
    assert [stage.name for stage in plan.stages] == ["smoke", "grid"]
    assert len(plan.configurations) == 6
    assert plan.experiment.stages.grid.sample == 15
    assert served.get("/orchestrate/runs").json()["total"] == before


def test_a_whole_experiment(served):
    experiment = {"name": "mine", "space": {"quality": [0.2, 0.4]}, "baseline": {"quality": 0.2}}
    accepted = served.run(experiment=experiment, mode="smoke")
    assert accepted["run_id"].startswith("mine-")
    assert served.wait(accepted["run_id"])["name"] == "mine"


@pytest.mark.parametrize(
    "experiment",
    [
        {"runner": {"runner_cmd": ["touch", "escaped"]}},
        {"plugins": {"reporters": {}}},
        {"paths": {"reports_dir": "elsewhere"}},
        {"dataset": "beir:/etc"},
    ],
    ids=lambda e: next(iter(e)),
)
def test_an_experiment_may_not_set_what_is_the_services_own(experiment, served):
    answer = served.post("/orchestrate/run", {"experiment": experiment})
    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")


def test_an_experiment_may_lower_limits_and_not_raise_them(served):
    body = {"experiment": {"limits": {"requests": 20_001}}, "dry_run": True}
    answer = served.post("/orchestrate/run", body)
    assert answer.status_code == 422
    assert answer.json()["hint"] == "Ask for 20000 or less."
    body = {"experiment": {"limits": {"requests": 19_999}}, "dry_run": True}
    assert served.post("/orchestrate/run", body).status_code == 200


def test_the_same_request_leads_to_the_same_run(served):
    body = {"overrides": {"sample": 13}, "mode": "smoke"}
    first = served.run(**body)
    second = served.run(**body)
    assert (second["run_id"], second["existing"]) == (first["run_id"], True)
    served.wait(first["run_id"])
    assert served.run(**body)["run_id"] == first["run_id"]
    assert served.run(**body, again=True)["run_id"] != first["run_id"]


def test_an_idempotency_key_holds(served):
    key = {"Idempotency-Key": "one"}
    body = {"mode": "smoke", "again": True}
    first = served.post("/orchestrate/run", body, headers=key).json()
    second = served.post("/orchestrate/run", body, headers=key)
    assert second.status_code == 200
    assert second.json()["run_id"] == first["run_id"]
    other = served.post("/orchestrate/run", {"mode": "grid"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "key_reused")
    assert other.json()["details"]["run_id"] == first["run_id"]


def test_events_are_streamed_and_resumable(serve):
    served = serve(SERVICE_STUB_SECONDS="0.1")
    run_id = served.run()["run_id"]
    events = served.events(run_id)  # from before its journal exists to its end
    *events, end = events
    assert end == {"end": True}
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert events[0]["event_type"] == "RUN_STARTED"
    assert "RUN_COMPLETED" in [event["event_type"] for event in events]
    assert [event["id"] for event in events] == [str(event["seq"]) for event in events]
    on_disk = [
        json.loads(line)
        for line in (served.home / f"reports/events/{run_id}.jsonl").read_bytes().splitlines()
    ]
    assert [e["payload"] for e in events] == [e["payload"] for e in on_disk]
    again = served.events(run_id, **{"Last-Event-ID": "5"})
    assert [event.get("seq") for event in again] == [e["seq"] for e in events[5:]] + [None]
    assert served.events(run_id, after=len(events)) == [{"end": True}]


def test_a_full_queue_says_when_to_come_back(serve, held):
    served = serve("--workers", "1", "--queue", "2", **held.environ)
    held("asking")
    runs = [served.run(again=True)["run_id"] for _ in range(3)]
    positions = [served.status(run_id)["queue_position"] for run_id in runs]
    assert positions == [None, 1, 2]
    refused = served.post("/orchestrate/run", {"again": True})
    assert (refused.status_code, refused.json()["code"]) == (429, "queue_full")
    assert int(refused.headers["retry-after"]) > 0
    assert served.get("/readyz").status_code == 503
    cancelled = served.post("/orchestrate/cancel", {"run_id": runs[1]})
    assert (cancelled.status_code, cancelled.json()["status"]) == (202, "cancelled")
    assert cancelled.json()["times"]["ended_at"]
    assert served.status(runs[2])["queue_position"] == 1
    assert served.get("/readyz").json() == {"status": "ok", "running": 1, "queued": 1}
    assert served.post("/orchestrate/run", {"again": True}).status_code == 202
    listed = served.get("/orchestrate/runs").json()
    assert {row["run_id"]: row["status"] for row in listed["runs"]}[runs[1]] == "cancelled"


def test_a_running_run_is_cancelled_with_its_report(serve, held):
    served = serve(target=("--plugins", "service_target"), **held.environ)
    held("asking")
    run_id = served.run()["run_id"]
    served.wait(run_id, "running")
    assert served.post("/orchestrate/cancel", {"run_id": run_id}).status_code == 202
    status = served.wait(run_id)
    assert (status["status"], status["error"]["type"]) == ("cancelled", "cancelled")
    served.events(run_id)  # to its end
    assert f"reports/{run_id}/winners.md" in served.status(run_id)["artifacts"]
    again = served.post("/orchestrate/cancel", {"run_id": run_id})
    assert (again.status_code, again.json()["code"]) == (409, "not_active")


def test_a_crash_takes_nothing_else_along(serve):
    served = serve(SERVICE_STUB_DIES="1")
    first = served.run()["run_id"]
    status = served.wait(first)
    assert status["status"] == "interrupted"
    assert served.get("/readyz").json() == {"status": "ok", "running": 0, "queued": 0}
    listed = served.get("/orchestrate/runs").json()["runs"]
    assert [row["status"] for row in listed] == ["interrupted"]


def test_runs_are_listed_newest_first(served):
    run_ids = [served.run(mode="smoke", again=True)["run_id"] for _ in range(2)]
    for run_id in run_ids:
        served.wait(run_id)
    found = served.get("/orchestrate/runs", limit=2).json()
    assert {row["run_id"] for row in found["runs"]} == set(run_ids)
    assert found["runs"][0]["started_at"] >= found["runs"][1]["started_at"]
    assert served.get("/orchestrate/runs", limit=0).status_code == 422


def test_plugins_and_figures(served):
    names = {plugin["name"] for plugin in served.get("/orchestrate/plugins").json()["plugins"]}
    assert "service_target" in names
    text = served.get("/metrics").text
    assert (
        'orchestra_requests_total{method="GET",route="/orchestrate/plugins",status="200"} 1.0' in text
    )
    assert "orchestra_runs_running" in text


def test_what_is_not_there(served):
    for path in ("/orchestrate/status", "/orchestrate/report", "/orchestrate/events"):
        answer = served.get(path, run_id="nothing")
        assert (answer.status_code, answer.json()["code"]) == (404, "run_not_found"), path
    assert served.get("/nothing").json()["code"] == "not_found"
    assert served.client.put("/healthz", json={}).json()["code"] == "method_not_allowed"
