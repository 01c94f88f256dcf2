"""Stated loads over HTTP: they reach the target as stated, and its queue and its refusals are told."""

import itertools
import json
import threading
import time
from collections import Counter

from orchestra_core.cli.main import run as run_cli
from orchestra_core.observation import Query
from orchestra_core.probing.measuring import figures_of
from orchestra_core.runner import Load

from .loopback import serving

USUAL = {"collection": "fiqa_para", "top_k": 10, "alpha": 0.5, "mmr": "off", "ef_search": 64}
GOOD = 200, {"items": [{"doc_id": "d1", "score": 1.0}]}
BUSY = 503, b""


def queries(count):
    return [Query(f"q{number}", f"question {number}") for number in range(count)]


class Desk:
    """One request at a time, 50 ms each, so 20 per second at the most; 503 beyond ten that wait."""

    def __init__(self, seconds=0.05, room=10):
        self.seconds, self.room, self.inside = seconds, room, 0
        self.counting, self.serving = threading.Lock(), threading.Lock()

    def __call__(self, _request):
        with self.counting:
            self.inside += 1
            full = self.inside > self.room
        try:
            if full:
                return BUSY
            with self.serving:
                time.sleep(self.seconds)
            return GOOD
        finally:
            with self.counting:
                self.inside -= 1


def test_an_overloaded_target_gets_the_load_that_was_stated_and_cannot_hide_it(open_http, make):
    """100 per second to a target that bears 20: four of five are refused, whatever the machine does."""
    one, load = make(**USUAL), Load("open", rate=100)
    with serving(Desk()) as service:
        samples = list(open_http(service.url, [one], max_retries=0).probe(one, queries(200), load))
        assert len(service.asked) == 200
    figures = figures_of(samples, load)
    assert set(figures.errors) == {"http_503"}
    assert figures.errors["http_503"] == sum(s.failure is not None for s in samples) > 60
    assert figures.achieved_rate < 40
    assert figures.sent_rate > 2 * figures.achieved_rate
    assert figures.p95_with_errors_ms is None


def test_the_time_of_repetitions_is_latency_and_is_shown_apart(open_http, make):
    """Everything is answered in the end, at 20 per second; users have waited for all of that time."""
    one, load = make(**USUAL), Load("open", rate=100)
    with serving(Desk()) as service:
        runner = open_http(service.url, [one], max_retries=60, backoff_s=0.05)
        began = time.perf_counter()
        samples = list(runner.probe(one, queries(100), load))
        took = time.perf_counter() - began
    figures = figures_of(samples, load)
    assert figures.achieved_rate < 40
    assert 100 * 0.05 < figures.seconds <= took
    assert max(s.latency_ms for s in samples) > 2000
    assert figures.repeated == sum(s.attempts > 1 for s in samples) > 10
    assert figures.backoff_ms > 50
    for sample in samples:
        assert sample.breakdown_ms.get("backoff", 0.0) <= sample.latency_ms


def test_what_times_out_is_counted_and_the_rest_is_sent_all_the_same(open_http, make):
    """The target stands still until sixty more have arrived: a driver that held some back would hang.

    More than ten time-outs in a row, so any breaker of the configuration's own would have opened.
    """
    one, load = make(**USUAL), Load("open", rate=100)
    count, enough = itertools.count(1), threading.Event()

    def answer(_request):
        place = next(count)
        if place >= 80:
            enough.set()
        if place > 20:
            enough.wait(30)
        return GOOD

    with serving(answer) as service:
        runner = open_http(service.url, [one], max_retries=0, timeout_s=0.25)
        samples = list(runner.probe(one, queries(150), load))
        assert enough.is_set()
        ends = time.monotonic() + 30
        while len(service.asked) < 150 and time.monotonic() < ends:
            time.sleep(0.01)  # whoever sent it has hung up already
        assert len(service.asked) == 150
    figures = figures_of(samples, load)
    assert (figures.requests, set(figures.errors)) == (150, {"timeout"})
    assert 10 < figures.errors["timeout"] < 150
    assert all(s.latency_ms >= 250 for s in samples if s.failure)


def test_a_closed_load_keeps_its_clients_whatever_the_target_says(open_http, make):
    """The target answers nobody before eight have asked at once, and says no to every second one."""
    one, together = make(**USUAL), threading.Barrier(8)
    count = itertools.count()

    def answer(_request):
        together.wait(30)
        return BUSY if next(count) % 2 else GOOD

    with serving(answer) as service:
        runner = open_http(service.url, [one], max_retries=0)
        samples = list(runner.probe(one, queries(64), Load(concurrency=8)))
    reasons = Counter(s.failure and s.failure.reason for s in samples)
    assert reasons == {None: 32, "http_503": 32}


def test_a_search_over_http_finds_no_more_than_the_target_bears(tmp_path, monkeypatch, capsys):
    """It bears 20 per second; what it refuses beyond its queue was no answer, however quick."""
    monkeypatch.chdir(tmp_path)
    with serving(Desk()) as service:
        keys = {
            "runner.backend": "http",
            "runner.base_url": service.url,
            "runner.rate_limit_per_sec": 0,
            "runner.backoff_s": 0.05,
            "runner.health_endpoints": "[]",
        }
        words = [word for key, value in keys.items() for word in ("--set", f"{key}={value}")]
        words += ["--find-max-qps", "--p95", "600", "--duration", "1", "--warmup", "0", "--json"]
        assert run_cli(["load", "--plugins", "fiqa", *words]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["ended"] == "found"
    assert content["highest_rate"] < 30
