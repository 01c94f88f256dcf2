"""The http backend: requests, answers, failures by name, shared prefixes, health, secrets."""

import json
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from orchestra_fiqa_runner.http.mapping import Mapping, complete, preset_names
from orchestra_fiqa_runner.settings import FiqaSettings
from pydantic import ValidationError

from orchestra_core.cli.main import run as run_cli
from orchestra_core.engine import run_experiment
from orchestra_core.errors import ExperimentError
from orchestra_core.journal.log import JournalReader
from orchestra_core.observation import Query, charged
from orchestra_core.outbound.pacing import Pacer
from orchestra_core.runner import Load
from orchestra_core.session import Request, open_session

from .loopback import serving
from .test_serving import data_cache, served  # noqa: F401 - a fixture

QUERIES = [Query(f"q{number}", f"question {number}") for number in range(8)]
USUAL = {"collection": "fiqa_para", "top_k": 10, "alpha": 0.5, "mmr": "off", "ef_search": 64}


def ranked(count, **more):
    items = [{"doc_id": f"d{i}", "score": 1 / i, "text": "…"} for i in range(1, count + 1)]
    return 200, {"items": items, **more}


def rag(request):
    if request.method == "GET":
        return 200, {"status": "ok"}
    return ranked(request.content["top_k"], latency_breakdown_ms={"dense": 1.5}, cost=0.002)


@pytest.fixture
def service():
    with serving(rag) as running:
        yield running


@pytest.mark.parametrize(
    ("changes", "sent"),
    [
        ({}, {"use_hybrid": True, "alpha": 0.5, "mmr": False, "ef_search": 64}),
        (
            {"mmr": 0.3},
            {"use_hybrid": True, "alpha": 0.5, "mmr": True, "mmr_lambda": 0.3, "ef_search": 64},
        ),
        ({"alpha": 0.0}, {"use_hybrid": False, "alpha": 0.0, "mmr": False, "ef_search": 64}),
        ({"alpha": 1}, {"use_hybrid": False, "alpha": 1, "mmr": False, "ef_search": 64}),
        (
            {"rerank": True, "boost": "title"},
            {"use_hybrid": True, "alpha": 0.5, "mmr": False, "ef_search": 64}
            | {"rerank": True, "boost": "title"},
        ),
    ],
)
def test_the_usual_request(open_http, make, service, changes, sent):
    one = make(**{**USUAL, **changes})
    (observation,) = open_http(service.url, [one]).evaluate([one], QUERIES[:1])
    (request,) = service.queries()
    assert (request.method, request.path) == ("POST", "/api/query")
    known = {"question": "question 0", "collection": "fiqa_para", "top_k": 10}
    assert request.content == {**known, **sent}
    assert observation.failure is None
    assert observation.ranking[:2] == ("d1", "d2")
    assert observation.scores[:2] == (1.0, 0.5)
    assert (observation.cost, observation.attempts) == (0.002, 1)
    assert observation.breakdown_ms == {"dense": 1.5}
    assert 0 < observation.latency_ms < 5000


@pytest.mark.parametrize(
    ("answer", "ranking"),
    [
        ({"sources": [{"doc_id": "a"}, {"doc_id": 7}]}, ("a", "7")),
        ({"items": [], "sources": [{"doc_id": "a"}]}, ()),
        ({"items": [{"doc_id": "a", "score": None}, {"doc_id": "b", "score": 2}]}, ("a", "b")),
    ],
)
def test_answers_that_are_fine(open_http, make, answer, ranking):
    with serving(lambda _request: (200, answer)) as service:
        one = make(**USUAL)
        (observation,) = open_http(service.url, [one]).evaluate([one], QUERIES[:1])
        assert (observation.failure, observation.ranking, observation.scores) == (None, ranking, ())


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((200, b"<html>maintenance</html>"), "not_json"),
        ((200, b"[" * 100 + b"]" * 100), "too_deep"),
        ((200, {"results": []}), "no_items"),
        ((200, {"items": "none"}), "no_items"),
        ((200, []), "no_items"),
        ((200, None), "no_items"),
        ((200, {"items": [{"id": "a"}]}), "malformed_id"),
        ((200, {"items": [None]}), "malformed_id"),
        ((200, {"items": [{"doc_id": ""}]}), "malformed_id"),
        ((200, {"items": [{"doc_id": True}]}), "malformed_id"),
        ((200, {"items": [{"doc_id": "\ud800"}]}), "malformed_id"),
        ((200, {"items": [{"doc_id": "x" * 2000}]}), "malformed_id"),
        ((200, {"items": [{"doc_id": "a", "score": "1"}]}), "malformed_score"),
        ((200, {"items": [{"doc_id": "a", "score": 10**400}]}), "malformed_score"),
        ((200, {"items": [{"doc_id": "a"}, {"doc_id": "a"}]}), "repeated_document"),
        ((200, {"items": [], "cost": -1}), "malformed_cost"),
        ((200, {"items": [], "cost": "free"}), "malformed_cost"),
        ((422, {"error": {"msg": "there is no such field"}}), "http_422"),
        ((500, b"oops"), "http_500"),
        ((503, b"later"), "http_503"),
        ((302, b"", {"Location": "http://evil.example/"}), "redirect"),
    ],
)
def test_a_bad_answer_is_a_named_failure_with_a_hint(open_http, make, answer, reason):
    with serving(lambda _request: answer) as service:
        one = make(**USUAL)
        runner = open_http(service.url, [one], max_retries=1)
        (observation,) = runner.evaluate([one], QUERIES[:1])
        assert observation.failure.reason == reason
        assert observation.failure.hint
        assert observation.failure.message.isprintable()
        assert observation.latency_ms > 0
        assert observation.ranking == ()
        (sample,) = runner.probe(one, QUERIES[:1], Load())
        assert sample.failure.reason == reason


def test_odd_times_of_the_target_s_own_are_left_out(open_http, make):
    odd = {"dense": "fast", "lexical": -1, "fusion": 2, "x" * 99: 1, "n": None}
    with serving(lambda _r: ranked(1, latency_breakdown_ms=odd)) as service:
        one = make(**USUAL)
        (observation,) = open_http(service.url, [one]).evaluate([one], QUERIES[:1])
        assert observation.breakdown_ms == {"fusion": 2.0, "x" * 60: 1.0}


def test_chunks_count_once_where_the_mapping_says_so(open_http, make):
    items = [{"doc_id": "a", "score": 3}, {"doc_id": "a", "score": 2}, {"doc_id": "b", "score": 1}]
    with serving(lambda _r: (200, {"sources": items})) as service:
        one = make(**USUAL)
        mapping = {"preset": "orchestra", "answer": {"repeated": "first"}}
        (seen,) = open_http(service.url, [one], mapping=mapping).evaluate([one], QUERIES[:1])
        assert (seen.ranking, seen.scores) == (("a", "b"), (3, 1))


@pytest.mark.parametrize("clients", [1, 4])
def test_a_failing_configuration_fails_no_neighbour(open_http, make, clients):
    """One collection answers 500, one stalls, one wants peace for an hour, one is fine; in turn."""
    over = threading.Event()

    def answer(request):
        collection = request.content["collection"]
        if collection == "slow":
            over.wait(60)
        if collection == "busy":
            return 503, b"", {"Retry-After": "3600"}
        return (500, b"no") if collection == "bad" else ranked(5)

    names = ("bad", "slow", "busy", "good")
    several = [make(**{**USUAL, "collection": name}) for name in names]
    queries = [Query(f"q{number}", f"question {number}") for number in range(100)]
    units = [(one, queries[i : i + 20]) for i in range(0, 100, 20) for one in several]
    with serving(answer) as service, ThreadPoolExecutor(clients) as pool:
        runner = open_http(service.url, several, timeout_s=0.4, backoff_s=0.01, max_retries=2)
        found = Counter()
        for seen in pool.map(lambda unit: list(runner.evaluate([unit[0]], unit[1])), units):
            for one in seen:
                collection = next(n for n in names if n in one.config_id)
                found[collection, one.failure and one.failure.reason] += 1
        over.set()
    assert found["good", None] == 100
    assert found["bad", "http_500"] == 100
    assert found["busy", "http_503"] + found["busy", "resting"] == 100
    assert found["slow", "timeout"] + found["slow", "breaker_open"] == 100
    assert found["slow", "timeout"] < 40


def test_backoff_counts_in_the_latency_and_is_shown_apart(open_http, make):
    answers = iter([(503, b""), ranked(1), (503, b""), ranked(1)])
    events = []
    with serving(lambda _r: next(answers)) as service:
        one = make(**USUAL)
        runner = open_http(service.url, [one], backoff_s=0.2, emit=lambda *event: events.append(event))
        (seen,) = runner.evaluate([one], QUERIES[:1])
        assert seen.attempts == 2
        assert 200 <= seen.breakdown_ms["backoff"] < seen.latency_ms
        (sample,) = runner.probe(one, QUERIES[:1], Load())
        assert sample.attempts == 2
        assert 200 <= sample.breakdown_ms["backoff"] < sample.latency_ms
    assert [kind for kind, _ in events] == ["RETRY", "RETRY"]
    assert events[0][1]["error"]["type"] == "http_503"


def test_the_own_rate_limit_is_no_latency(open_http, make, service, monkeypatch):
    """Whatever a machine under load adds: of all that a probe took, the waits are no latency."""

    def wait(_pacer, _seconds, sleep):
        sleep(0.3)
        return True

    monkeypatch.setattr(Pacer, "wait", wait)
    one = make(**USUAL)
    runner = open_http(service.url, [one])
    began = time.perf_counter()
    samples = list(runner.probe(one, QUERIES[:4], Load(warmup=0)))
    whole_ms = 1000 * (time.perf_counter() - began)
    assert sum(s.latency_ms for s in samples) <= whole_ms - 4 * 300
    assert all(s.sent_s - s.scheduled_s >= 0.29 for s in samples)


def test_one_deep_request_serves_every_top_k_in_quality_and_never_in_a_probe(
    open_http, make_grid, service
):
    several = make_grid(top_k=[10, 20, 30], alpha=[0.0, 0.5], collection=["fiqa_para"])
    mapping = {"preset": "orchestra", "prefix_stable": True}
    runner = open_http(service.url, several, mapping=mapping)
    seen = {}
    threads = [
        threading.Thread(
            target=lambda o=one: seen.update({o.config_id: [*runner.evaluate([o], QUERIES)]})
        )
        for one in several
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(r.content["top_k"] for r in service.queries()) == {30: 2 * len(QUERIES)}
    for one in several:
        depth = one.parameters["top_k"]
        assert {len(o.ranking) for o in seen[one.config_id]} == {depth}
        assert {o.latency_ms for o in seen[one.config_id]} == {None}
        service.asked.clear()
    list(runner.probe(several[0], QUERIES, Load()))
    assert Counter(r.content["top_k"] for r in service.queries()) == {10: len(QUERIES)}


@pytest.mark.parametrize("stable", [True, False])
def test_every_charge_counts_once_in_the_budget_and_a_shared_one_in_no_metric(
    open_http, make_grid, stable
):
    """Also that of an answer which is of no use, and of warm-up requests."""
    several = make_grid(top_k=[10, 20, 30], alpha=[0.5], collection=["fiqa_para"])
    mapping = {"preset": "orchestra", "prefix_stable": stable}

    def answer(request):
        depth, broken = request.content["top_k"], request.content["question"] == QUERIES[0].text
        items = [{"doc_id": f"d{0 if broken else i}"} for i in range(depth)]
        return 200, {"items": items, "cost": 0.25}

    with serving(answer) as service:
        runner = open_http(service.url, several, mapping=mapping)
        seen = list(runner.evaluate(several, QUERIES[:4]))
        assert sum(map(charged, seen)) == 0.25 * len(service.queries())
        assert len(service.queries()) == (4 if stable else 12)
        assert sum(o.failure is not None for o in seen) == 3
        assert sum(o.attempts - 1 for o in seen) == 0
        if stable:
            priced = [o for o in seen if o.cost is not None and o.failure is None]
            assert len(priced) == 3
            assert {o.latency_ms for o in priced} == {None}  # so no job takes its cost for a metric
        service.asked.clear()
        samples = list(runner.probe(several[0], QUERIES[:4], Load(warmup=3)))
        assert sum(map(charged, samples)) == 0.25 * len(service.queries()) == 0.25 * 7
        assert [s.cost for s in samples] == [0.25] * 4


def test_a_refusal_that_states_a_cost_is_paid_for(open_http, make):
    """Those before a good answer too."""
    one, left = make(**USUAL), []

    def answer(request):
        if request.method == "GET":
            return 200, {"status": "ok"}
        return left.pop(0)

    with serving(answer) as service:
        runner = open_http(service.url, [one], max_retries=1, backoff_s=0.01)
        refused = (503, {"error": "too dear", "cost": 0.25})
        left[:] = [refused, refused]
        (observation,) = runner.evaluate([one], QUERIES[:1])
        assert (observation.failure.reason, observation.cost) == ("http_503", 0.5)
        left[:] = [refused, ranked(3, cost=0.5)]
        (observation,) = runner.evaluate([one], QUERIES[:1])
        assert (observation.failure, observation.cost, observation.attempts) == (None, 0.75, 2)
        left[:] = [refused, (200, {"items": "none"})]
        (observation,) = runner.evaluate([one], QUERIES[:1])
        assert (observation.failure.reason, observation.cost) == ("no_items", 0.25)
        left[:] = [refused, (500, {"cost": "free"})]
        (sample,) = runner.probe(one, QUERIES[:1], Load())
        assert (sample.failure.reason, sample.cost) == ("http_500", 0.25)
        left[:] = [(500, b"<html>")]
        (observation,) = runner.evaluate([one], QUERIES[:1])
        assert (observation.failure.reason, observation.cost) == ("http_500", None)


def test_a_run_ends_where_its_cost_is_used_up_though_answers_are_shared(tmp_path):
    """Ten cents a request, and a whole run that may cost two dollars."""

    def answer(request):
        if request.method == "GET":
            return 200, {}
        known = [f"d{number:04}" for number in range(1, 1 + request.content["top_k"])]
        return 200, {"items": [{"doc_id": d} for d in known], "cost": 0.1}

    with serving(answer) as service:
        assignments = {
            "runner.backend": "http",
            "runner.base_url": service.url,
            "runner.rate_limit_per_sec": "0",
            "space": "{collection: [fiqa_para], alpha: [0.0, 0.5], top_k: [10, 20, 30]}",
            "plugins.fiqa.mapping": "{preset: orchestra, prefix_stable: true}",
            "stages.smoke.sample": "8",
            "limits.cost_usd": "2",
            "concurrency": "1",
        }
        words = [w for key, value in assignments.items() for w in ("--set", f"{key}={value}")]
        code = run_cli(["run", "--plugins", "fiqa", "--home", str(tmp_path), "--quiet", *words])
        charged_usd = 0.1 * len(service.queries())
    assert code == 3
    (journal,) = (tmp_path / "reports" / "events").glob("*.jsonl")
    events = [json.loads(line) for line in journal.read_text().splitlines()]
    failed = next(e["payload"] for e in events if e["event_type"] == "RUN_FAILED")
    assert failed["error"]["details"] == {"limit": "cost_usd"}
    units = [e["payload"] for e in events if e["event_type"] == "UNIT_DONE"]
    assert charged_usd == pytest.approx(2.0, abs=0.11), "at most one request too many"
    assert sum(unit["cost_usd"] for unit in units) == pytest.approx(charged_usd)


def test_shared_rankings_are_those_of_requests_of_their_own(open_http, make_grid, service):
    several = make_grid(top_k=[10, 20, 30], alpha=[0.5], collection=["fiqa_para"])
    shared = open_http(service.url, several, mapping={"preset": "orchestra", "prefix_stable": True})
    alone = open_http(service.url, several)

    def rankings(runner):
        return {(o.config_id, o.query_id): o.ranking for o in runner.evaluate(several, QUERIES)}

    assert rankings(shared) == rankings(alone)


def test_a_shared_answer_serves_each_configuration_once(open_http, make_grid, service):
    several = make_grid(top_k=[10, 30], alpha=[0.5], collection=["fiqa_para"])
    runner = open_http(service.url, several, mapping={"preset": "orchestra", "prefix_stable": True})
    for _stage in range(2):
        list(runner.evaluate(several, QUERIES[:1]))
    list(runner.evaluate(several[:1], QUERIES[:1]))
    list(runner.evaluate(several[:1], QUERIES[:1]))
    assert len(service.queries()) == 4


def test_a_failure_is_not_shared(open_http, make_grid):
    answers = iter([(500, b""), ranked(30), ranked(30)])
    with serving(lambda _r: next(answers)) as service:
        several = make_grid(top_k=[10, 30], alpha=[0.5], collection=["fiqa_para"])
        runner = open_http(service.url, several, mapping={"preset": "orchestra", "prefix_stable": True})
        first, second = runner.evaluate(several, QUERIES[:1])
        assert first.failure.reason == "http_500"
        assert second.failure is None


def test_what_the_service_says_it_serves(open_http, make):
    one = make(**USUAL)
    ready = {
        "target": "rag 2.1",
        "documents": 57,
        "corpus_sha256": "ab",
        "indexes": {"fiqa_para": "cd"},
    }
    told = [ready]
    with serving(lambda _r: (200, told[0]) if told else (503, b"")) as service:
        runner = open_http(service.url, [one], max_retries=0)
        seen = runner.fingerprint()
        assert (seen.target, seen.documents) == (f"rag 2.1 at {service.url}/", 57)
        assert (seen.corpus_sha256, seen.indexes) == ("ab", {"fiqa_para": "cd"})
        told[0] = {**ready, "indexes": {"fiqa_para": "ef"}}
        assert runner.fingerprint() != seen
        told.clear()
        with pytest.raises(Exception, match="503"):
            runner.fingerprint()


def test_a_service_that_says_nothing_of_itself_is_known_by_its_address(open_http, make):
    one = make(**USUAL)
    with serving(lambda _r: (404, b"")) as service:
        assert open_http(service.url, [one]).fingerprint().target == f"{service.url}/"


@pytest.mark.parametrize(
    ("mapping", "problem"),
    [
        ("elastic", r"there is no preset .elastic.*elasticsearch"),
        ({"preset": "solr"}, "there is no preset 'solr'"),
        ({"path": "/x"}, "answer"),
        ({"preset": "orchestra", "anwser": {}}, "anwser"),
        ({"preset": "orchestra", "answer": {"id": "a..b"}}, "JMESPath"),
        ({"preset": "orchestra", "answer": {"ids": "a"}}, "ids"),
        ({"preset": "orchestra", "path": "api"}, "path"),
        ({"preset": "orchestra", "body": {"x": float("nan")}}, "NaN"),
        ({"preset": "orchestra", "body": {1: 2}}, "valid string"),
        ({"preset": "orchestra", "body": {"a": {1: 2}}}, "text as key"),
        ({"preset": "orchestra", "method": "PATCH"}, "method"),
        ({"preset": "orchestra", "cases": [{"when": {"alpha": []}}]}, "cases"),
    ],
)
def test_a_wrong_mapping_is_refused(mapping, problem):
    with pytest.raises(ValidationError, match=problem):
        FiqaSettings.model_validate({"mapping": mapping})


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"body": {"x": "${topk}"}}, "speaks of 'topk'"),
        ({"body": {"x": "${top_k|double}"}}, "cannot be read"),
        ({"body": {"x": "${collection|complement}"}}, "no number"),
        ({"constants": {"top_k": 1}}, "constant of the mapping and a parameter"),
        ({"constants": {"model": None}, "body": {"x": "${model}"}}, "needs the constant 'model'"),
        ({"path": "/${rerank}/x", "parameters": {"rerank": {}}}, "no configuration gives a value"),
        ({"others": "refuse", "parameters": {}, "cases": []}, "does not send the parameter"),
        ({"body": {"text": "fixed", "top_k": "${top_k}"}}, "never sends the question"),
    ],
)
def test_a_mapping_that_does_not_fit_the_experiment_is_refused_before_anything_is_sent(
    open_http, make, service, changes, problem
):
    mapping = complete({"preset": "orchestra"}) | changes
    with pytest.raises(ExperimentError, match=problem) as caught:
        open_http(service.url, [make(**USUAL)], mapping=Mapping.model_validate(mapping))
    assert caught.value.hint
    assert service.asked == []


def test_values_in_a_path_are_escaped(open_http, make, service):
    mapping = {
        "preset": "orchestra",
        "path": "/${collection}/search",
        "method": "GET",
        "query": {"q": "${question}", "k": "${top_k}", "deep": "${rrf_k}"},
        "parameters": {name: {} for name in ("alpha", "mmr", "ef_search")},
    }
    one = make(**{**USUAL, "collection": "a/../b?x#y ü"})
    whole = Mapping.model_validate({**complete(mapping), "body": {}, "parameters": {}, "cases": []})
    list(open_http(service.url, [one], mapping=whole).evaluate([one], [Query("q", "tax & more?")]))
    path, _, query = service.asked[0].path.partition("?")
    assert path == "/a%2F..%2Fb%3Fx%23y%20%C3%BC/search"
    assert query == "q=tax+%26+more%3F&k=10"
    with pytest.raises(ExperimentError, match="cannot stand in a path"):
        open_http(service.url, [make(**{**USUAL, "collection": ".."})], mapping=whole)


def test_every_preset_survives_the_plan(make):
    for name in preset_names():
        settings = FiqaSettings(mapping=name)
        stored = settings.model_dump(mode="json", exclude_defaults=True)
        assert FiqaSettings.model_validate_json(json.dumps(stored)) == settings


def test_an_address_that_is_not_allowed_refuses_the_run(open_http, make):
    with pytest.raises(ExperimentError, match="not on the list"):
        open_http("http://search.example:8000", [make(**USUAL)])
    with pytest.raises(ExperimentError, match="needs the address"):
        open_http(None, [make(**USUAL)])


def test_an_open_load_above_the_own_limit_is_refused(open_http, make):
    stages = {"ab": {"load": {"mode": "open", "rate": 50.0}}}
    with pytest.raises(ExperimentError, match=r"more than runner\.rate_limit_per_sec"):
        open_http("http://127.0.0.1:1", [make(**USUAL)], stages=stages, rate_limit_per_sec=4.0)


# --- whole runs -----------------------------------------------------------------------------------

STORY = {
    "name": "story",
    "baseline": {**USUAL, "alpha": 1.0},
    "space": {"alpha": [0.0, 0.5, 1.0]},
    "stages": {
        "smoke": {"sample": 10},
        "grid": {"sample": 60, "budget": 0.6},
        "ab": {"sample": 150, "margin": {"p95_ms": 1000, "cost_per_query": 1}},
    },
}
FAST = {"backend": "http", "rate_limit_per_sec": 0, "backoff_s": 0.05}


def run(home: Path, environ=None, **keys):
    home.mkdir(parents=True, exist_ok=True)
    file = home / "orchestra.yaml"
    file.write_text(json.dumps({**STORY, **keys}), encoding="utf-8")
    session = open_session(Request(file=file, home=home, plugins=("fiqa",), environ=environ or {}))
    outcome = run_experiment(session)
    return outcome, list(JournalReader(session.home.journal(outcome.report.run_id)))


def of_type(events, *types):
    return [event for event in events if event.event_type in types]


def test_the_same_winner_and_the_same_quality_as_embedded(tmp_path, data_cache):  # noqa: F811
    embedded, _ = run(tmp_path / "embedded")
    with served(data_cache) as (address, _):
        over_http, events = run(tmp_path / "http", runner={**FAST, "base_url": f"http://{address}"})
    assert over_http.exit_code == embedded.exit_code == 0
    one, other = embedded.report, over_http.report
    assert other.winner.config_id == one.winner.config_id
    for metric in ("recall@10", "ndcg@10", "mrr@10"):
        assert other.winner.metrics[metric] == one.winner.metrics[metric]
    assert _quality(other) == _quality(one)
    assert of_type(events, "HEALTH_OK")
    assert other.fingerprint["corpus_sha256"] == one.fingerprint["corpus_sha256"]


def _quality(report):
    keep = ("recall@10", "ndcg@10", "mrr@10")
    rows = [row.model_dump() for row in report.verdict.diff_table if row.metric in keep]
    return report.verdict.kind, rows


@pytest.mark.parametrize("kind", ["nobody", "404", "503"])
def test_a_failing_health_check_ends_the_run_before_any_query(tmp_path, kind):
    def answer(request):
        return (int(kind), b"no") if request.method == "GET" else ranked(10)

    with serving(answer) as service:
        url = "http://127.0.0.1:9" if kind == "nobody" else service.url
        outcome, events = run(tmp_path, runner={**FAST, "base_url": url, "max_retries": 1})
        assert outcome.exit_code == 3
        (event,) = of_type(events, "HEALTH_FAIL")
        error = event.payload["error"]
        assert set(error) == {"type", "msg", "hint", "details"}
        assert error["type"] == "health"
        assert error["hint"]
        assert set(error["details"]) == {"/ready", "/api/health/embeddings"}
        assert service.queries() == []
        assert outcome.report.error["hint"] == error["hint"]


def test_a_target_that_wants_peace_for_an_hour_ends_the_run_at_once(tmp_path):
    """Nobody sleeps: the run has half an hour, and the test no such time."""
    with serving(lambda _r: (429, b"", {"Retry-After": "3600"})) as service:
        outcome, events = run(tmp_path, runner={**FAST, "base_url": service.url})
        assert outcome.exit_code == 3
        assert of_type(events, "HEALTH_FAIL")
        assert outcome.report.error["hint"]
        assert len(service.asked) == 1


def test_a_secret_is_sent_and_written_nowhere(tmp_path, monkeypatch):
    """The target echoes it wherever it can: in errors, ids, times, redirects and its own name."""
    token = "s3cr3t-" + "token" * 4
    monkeypatch.setenv("RAG_TOKEN", token)
    sent = Counter()

    def answer(request):
        sent[request.headers.get("Authorization")] += 1
        if request.method == "GET":
            return 200, {"target": f"rag for {token}", "versions": {token: token}}
        if sent.total() % 5 == 0:
            return 401, {"error": f"bad token: Bearer {token}"}
        if sent.total() % 7 == 0:
            return 503, f"busy, {token}".encode()
        items = [{"doc_id": f"d{i}-{token}", "score": i} for i in range(10)]
        return 200, {"items": items, "latency_breakdown_ms": {token: 1.0}}

    with serving(answer) as service:
        section = {**FAST, "base_url": service.url, "backoff_s": 0.01}
        headers = {"Authorization": "Bearer ${env:RAG_TOKEN}"}
        outcome, events = run(tmp_path, runner={**section, "headers": headers})
    assert outcome.exit_code == 3  # its ids are none of the dataset's
    assert set(sent) == {f"Bearer {token}"}
    assert of_type(events, "RETRY")
    written = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) > 3
    for path in written:
        content = path.read_bytes()
        if path.suffix == ".gz":
            import gzip

            content = gzip.decompress(content)
        assert token.encode() not in content, path
    assert any(b"[redacted]" in path.read_bytes() for path in written)


def test_an_id_of_the_dataset_is_no_secret_and_an_unknown_one_may_be(
    open_http, make, fiqa, monkeypatch
):
    """A header's value is a part of good ids; another is echoed where ids stand, and in a failure."""
    one, known = make(**USUAL), sorted(fiqa.corpus)[:3]
    monkeypatch.setenv("TENANT", known[0][:4])
    monkeypatch.setenv("KEY", "s3cr3t-key-0123456789")
    headers = {"X-Tenant": "${env:TENANT}", "Authorization": "Bearer ${env:KEY}"}
    ids = [*known, "d-s3cr3t-key-0123456789", "e-s3cr3t-key-0123456789"]
    answers = iter([{"items": [{"doc_id": i} for i in ids]}, {"items": "x" * 85 + ids[-1]}])
    with serving(lambda _r: (200, next(answers))) as service:
        runner = open_http(service.url, [one], headers=headers)
        good, bad = runner.evaluate([one], QUERIES[:2])
    assert good.ranking == (*known, "d-[redacted]", "e-[redacted]")
    assert bad.failure.reason == "no_items"
    assert "s3cr" not in bad.failure.message


def test_repetitions_count_in_the_limit_of_requests(tmp_path, fiqa):
    """Two of three answers are a 503, so the plan's requests suffice for a third of it."""
    turn = Counter()
    items = [{"doc_id": document_id} for document_id in list(fiqa.corpus)[:10]]

    def answer(request):
        turn["asked"] += request.method == "POST"
        return (503, b"") if turn["asked"] % 3 else (200, {"items": items})

    with serving(answer) as service:
        section = {**FAST, "base_url": service.url, "health_endpoints": []}
        section |= {"backoff_s": 0.001, "max_retries": 9}
        outcome, events = run(tmp_path, runner=section, limits={"requests": 1650})
        assert outcome.exit_code == 3
        assert len(service.queries()) <= 1650
    assert outcome.report.error["type"] == "budget"
    assert of_type(events, "RETRY")
    assert sum(e.payload["repetitions"] for e in of_type(events, "UNIT_DONE")) > 100


def test_the_stage_s_own_time_ends_a_slow_stage(tmp_path):
    def answer(request):
        if request.method == "POST":
            time.sleep(0.3)
        return rag(request)

    with serving(answer) as service:
        section = {**FAST, "base_url": service.url}
        began = time.monotonic()
        outcome, events = run(tmp_path, runner=section, limits={"stage": 1})
        assert time.monotonic() - began < 20
    assert outcome.exit_code == 3
    assert outcome.report.error["type"] == "budget"
    assert "limits.stage" in outcome.report.error["msg"]
    assert of_type(events, "SMOKE_FAILED")
