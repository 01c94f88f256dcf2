"""What is told to those who ask wrongly: in their words, with what to do next."""

from __future__ import annotations

import json

import pytest

BODIES = [
    ({"collektion": "x"}, "collektion: unknown key 'collektion'", "Did you mean 'collection'?"),
    ({"overrides": {"topk": 5}}, "overrides.topk: unknown key 'topk'", "Did you mean 'top_k'?"),
    (
        {"overrides": {"sample": {"smok": 5}}},
        "overrides.sample.smok: unknown key",
        "Did you mean 'smoke'?",
    ),
    ({"overrides": {"sample": "abc"}}, "overrides.sample: expected a valid integer, found 'abc'", ""),
    ({"overrides": {"sample": 10**9}}, "overrides.sample: expected less than or equal to 1000000", ""),
    ({"overrides": {"alpha": []}}, "overrides.alpha: expected a text, a number, true or false", ""),
    ({"overrides": {"alpha": {"a": 1}}}, "overrides.alpha: expected a text, a number", ""),
    ({"mode": "all"}, "mode: expected 'full', 'smoke', 'grid' or 'ab', found 'all'", ""),
    ({"collektion": "x", "mode": "all"}, "and 1 more", ""),
]
FOREIGN_WORDS = ("Input should", "constrained", "str_type", "Extra inputs", "String should", "body.")


def told(answer, status):
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["hint"], problem
    assert problem["title"] != problem["message"]
    assert not any(word in answer.text for word in FOREIGN_WORDS), problem
    return problem


@pytest.mark.parametrize(("body", "message", "hint"), BODIES, ids=lambda b: json.dumps(b)[:40])
def test_wrong_bodies_are_told_in_the_users_words(body, message, hint, served):
    problem = told(served.post("/orchestrate/run", body), 422)
    assert message in problem["message"]
    assert hint in problem["hint"]


@pytest.mark.parametrize("path", ["/orchestrate/cancel", "/orchestrate/resume"])
def test_a_reference_names_a_run(path, served):
    problem = told(served.post(path, {"runid": "x"}), 422)
    assert "Did you mean 'run_id'?" in json.dumps(problem)
    assert "run_id: it is missing" in json.dumps(problem)
    problem = told(served.post(path, {"run_id": "a/b"}), 422)
    assert "expected a run's id" in problem["message"]


QUERIES = [
    ("/orchestrate/runs?limt=1", "unknown query parameter 'limt'", "Did you mean 'limit'?"),
    ("/orchestrate/runs?limit=1&limit=2", "the query parameter 'limit' stands twice", ""),
    ("/orchestrate/runs?limit=0", "limit: expected greater than or equal to 1, found '0'", ""),
    ("/orchestrate/runs?limit=x", "limit: expected a valid integer", ""),
    ("/orchestrate/status", "run_id: it is missing", ""),
    ("/orchestrate/status?run_id=", "run_id: expected a run's id", ""),
    ("/orchestrate/status?run=x", "unknown query parameter 'run'", "Did you mean 'run_id'?"),
    ("/orchestrate/plugins?foo=1", "unknown query parameter 'foo'", "takes no parameters"),
    ("/healthz?foo=1", "unknown query parameter 'foo'", "takes no parameters"),
]


@pytest.mark.parametrize(("path", "message", "hint"), QUERIES, ids=lambda q: q)
def test_wrong_queries(path, message, hint, served):
    problem = told(served.get(path), 422)
    assert message in problem["message"]
    assert hint in problem["hint"]


@pytest.fixture(scope="module")
def finished(served):
    run_id = served.run(mode="smoke")["run_id"]
    served.wait(run_id)
    served.events(run_id)
    return run_id


@pytest.mark.parametrize("number", ["abc", "-1", "1.5", "", "99999999", "9" * 39])
def test_a_stream_goes_on_after_an_event_that_there_is(number, served, finished):
    query = {"run_id": finished}
    answer = served.client.get("/orchestrate/events", params=query, headers={"Last-Event-ID": number})
    assert told(answer, 400)["code"] == "last_event_id"
    answer = served.get("/orchestrate/events", run_id=finished, after=10**6)
    assert told(answer, 400)["code"] == "last_event_id"


def test_every_refusal_says_what_to_do_next(served, finished):
    post, get, body = served.post, served.get, {"run_id": finished}
    told(
        served.client.post(
            "/orchestrate/run", content=b"{", headers={"Content-Type": "application/json"}
        ),
        400,
    )
    told(get("/nothing"), 404)
    told(get("/orchestrate/status", run_id="nothing"), 404)
    told(get(f"/orchestrate/artifacts/{finished}/nothing"), 404)
    assert "GET" in told(served.client.put("/healthz", json={}), 405)["hint"]
    told(post("/orchestrate/cancel", body), 409)
    told(post("/orchestrate/resume", body), 409)
    told(post("/orchestrate/run", {}, headers={"Idempotency-Key": "a b"}), 422)
    huge = {"experiment": {"stages": {"ab": {"margin": {"p95_ms": 10**400}}}}, "dry_run": True}
    told(post("/orchestrate/run", huge), 400)


def test_a_cancelled_run_has_no_running_stage(serve, held):
    served = serve(**held.environ)
    held("asking")
    run_id = served.run()["run_id"]
    status = served.wait(run_id, "running")
    assert status["name"] == "stub"
    waiting = served.wait(run_id, "running")
    while not waiting["stages"]:
        waiting = served.wait(run_id, "running")
    assert waiting["stages"]["smoke"]["status"] == "running"
    served.cancel(run_id)
    held.release()
    status = served.wait(run_id, "cancelled")
    assert status["stages"]["smoke"]["status"] == "interrupted"
