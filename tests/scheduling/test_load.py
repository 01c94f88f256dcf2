"""The driver of probes: when requests are sent, what their latency counts from, and what is told."""

import threading
import time
from itertools import pairwise

import pytest

from orchestra_core import Answer, Failure, Load, Query, drive
from orchestra_core.errors import TargetError, UsageError
from orchestra_core.scheduling import load as module
from orchestra_core.scheduling.load import arrival_times, block_size


def queries(count):
    return [Query(f"q{i:03}", "text") for i in range(count)]


def by_arrival(samples):
    return sorted(samples, key=lambda s: s.scheduled_s)


class Stalling:
    """Answers at once, except that nothing is answered for `seconds` once query `at` was asked."""

    def __init__(self, at, seconds):
        self.at, self.seconds, self.until = at, seconds, 0.0

    def __call__(self, query):
        if query.query_id == self.at:
            self.until = time.perf_counter() + self.seconds
        time.sleep(max(0.0, self.until - time.perf_counter()))
        return Answer()


def test_a_stalled_target_cannot_hide_its_queue():
    """Half a second of silence at 100/s delays some fifty requests, the early ones most."""
    found = by_arrival(drive("c", queries(100), Load("open", rate=100), Stalling("q020", 0.5)))
    waited = [s.latency_ms for s in found]
    assert sum(ms > 100 for ms in waited) >= 35
    assert waited[20] > 450
    assert waited[20] > waited[40] > waited[60]
    assert waited[20] > max(waited[:20])


def test_the_same_stall_is_one_slow_request_to_a_closed_loop():
    found = list(drive("c", queries(100), Load("closed"), Stalling("q020", 0.5)))
    assert 1 <= sum(s.latency_ms > 100 for s in found) < 10  # a machine under load adds some


def test_latency_counts_from_the_scheduled_send_even_where_no_client_was_free():
    load = Load("open", rate=100, outstanding=1)
    found = by_arrival(drive("c", queries(10), load, lambda _query: time.sleep(0.03) or Answer()))
    last = found[-1]
    assert last.scheduled_s == pytest.approx(0.09)
    assert last.sent_s - last.scheduled_s > 0.15
    assert last.latency_ms > 1000 * (last.sent_s - last.scheduled_s)


def test_what_cannot_be_sent_in_time_is_an_error_and_never_lost(monkeypatch):
    monkeypatch.setattr(module, "PATIENCE_S", 0.05)
    asked = []

    def ask(query):
        asked.append(query.query_id)
        time.sleep(0.2)
        return Answer()

    found = list(drive("c", queries(12), Load("open", rate=200, outstanding=2), ask))
    assert sorted(s.query_id for s in found) == [q.query_id for q in queries(12)]
    saturated = {s.query_id for s in found if s.failure and s.failure.reason == "saturated"}
    assert saturated == {q.query_id for q in queries(12)} - set(asked)
    assert saturated


def test_arrivals_are_sent_on_time_while_many_wait():
    """Forty requests are under way at once, and the driver is still punctual."""
    found = by_arrival(
        drive("c", queries(60), Load("open", rate=100), lambda _q: time.sleep(0.4) or Answer())
    )
    late = sorted(s.sent_s - s.scheduled_s for s in found)
    assert late[len(late) // 2] < 0.2
    assert found[-1].scheduled_s == pytest.approx(0.59)


def test_constant_arrivals_are_even():
    assert arrival_times(4, Load("open", rate=50)) == pytest.approx([0, 0.02, 0.04, 0.06])


def test_poisson_arrivals_follow_from_the_seed_and_keep_the_rate():
    load = Load("open", rate=50, arrivals="poisson", seed=7)
    times = arrival_times(5000, load)
    assert times == arrival_times(5000, load) == sorted(times)
    assert times != arrival_times(5000, Load("open", rate=50, arrivals="poisson", seed=8))
    assert times[-1] == pytest.approx(100, rel=0.05)
    gaps = sorted(b - a for a, b in pairwise(times))
    assert gaps[len(gaps) // 2] == pytest.approx(0.02 * 0.693, rel=0.1)  # exponential, not even


@pytest.mark.parametrize("load", [Load(warmup=7, concurrency=2), Load("open", warmup=7, rate=500)])
def test_warm_up_is_asked_and_not_reported(load):
    asked = []
    found = list(drive("c", queries(5), load, lambda query: asked.append(query.query_id) or Answer()))
    assert sorted(s.query_id for s in found) == [q.query_id for q in queries(5)]
    assert len(asked) == 12
    assert min(s.scheduled_s for s in found) == 0


@pytest.mark.parametrize("clients", [1, 3])
def test_a_closed_loop_has_as_many_requests_under_way_as_clients(clients):
    now, most, lock = set(), [0], threading.Lock()

    def ask(query):
        with lock:
            now.add(query.query_id)
            most[0] = max(most[0], len(now))
        time.sleep(0.01)
        with lock:
            now.remove(query.query_id)
        return Answer()

    assert len(list(drive("c", queries(12), Load(concurrency=clients), ask))) == 12
    assert most == [clients]


def test_errors_and_timeouts_are_samples_with_a_reason():
    answers = {
        "q000": TimeoutError("too slow"),
        "q001": ValueError("no"),
        "q002": TargetError("down", hint="Start it."),
    }

    def ask(query):
        if query.query_id in answers:
            raise answers[query.query_id]
        return Answer(cost=2.0, breakdown_ms={"search": 1.0}, failure=Failure("http_503", "busy"))

    found = {s.query_id: s for s in drive("c", queries(4), Load(), ask)}
    reasons = [found[q.query_id].failure.reason for q in queries(4)]
    assert reasons == ["timeout", "ValueError", "target", "http_503"]
    assert found["q002"].failure.hint == "Start it."
    assert (found["q003"].cost, found["q003"].breakdown_ms) == (2.0, {"search": 1.0})


def test_an_abandoned_probe_sends_nothing_more():
    asked = []
    samples = drive("c", queries(1000), Load("open", rate=500), lambda q: asked.append(q) or Answer())
    next(samples)
    samples.close()
    before = len(asked)
    time.sleep(0.05)
    assert len(asked) == before < 500


def test_an_interruption_inside_ask_reaches_the_caller():
    def ask(_query):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(drive("c", queries(3), Load(), ask))


def test_no_queries_no_samples():
    assert list(drive("c", [], Load(warmup=3), lambda _q: Answer())) == []


@pytest.mark.parametrize(
    ("load", "expected"),
    [
        (Load(), 10),
        (Load(concurrency=4), 16),
        (Load(concurrency=32), 50),
        (Load("open", rate=2), 10),
        (Load("open", rate=30), 30),
        (Load("open", rate=1000), 50),
    ],
)
def test_an_arm_is_asked_for_a_second_where_queries_suffice_for_four_turns(load, expected):
    assert block_size(load, 200, 10) == expected


@pytest.mark.parametrize("queries", [4, 5, 7, 20, 39])
@pytest.mark.parametrize("load", [Load(), Load("open", rate=1000)])
def test_there_are_four_turns_for_each_arm_however_few_the_queries(queries, load):
    assert queries / block_size(load, queries, 10) >= 4


@pytest.mark.parametrize(
    "wrong", [{"mode": "open"}, {"mode": "open", "rate": -1.0}, {"concurrency": 0}, {"warmup": -1}]
)
def test_a_load_that_cannot_be_is_refused(wrong):
    with pytest.raises(UsageError):
        Load(**wrong)
