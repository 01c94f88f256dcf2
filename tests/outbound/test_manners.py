"""How a target is treated: repetitions, Retry-After, rate, slots, breaker, deadlines, budget."""

import email.utils
import json
import socket
import threading
import time
from bisect import bisect_left
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestra_core.errors import AddressRefused, RequestFailed
from orchestra_core.experiment import Limits
from orchestra_core.outbound.allowance import Allowance
from orchestra_core.outbound.breaker import FAILURES_TO_OPEN, Breaker
from orchestra_core.outbound.pacing import Pacer
from orchestra_core.outbound.retrying import retry_after
from orchestra_core.outbound.slots import Slots
from orchestra_core.outbound.stated import STATED
from orchestra_core.scheduling.budget import Budget

from .conftest import in_turn, reply, respond, until
from .test_door import ASK, failure, raw


def stall(seconds):
    def answer(_asked, handler):
        time.sleep(seconds)
        respond(handler, 200, b"{}")

    return answer


@pytest.fixture
def stated():
    """What the test sends is part of a load that somebody stated."""
    token = STATED.set(True)
    yield
    STATED.reset(token)


class Clock:
    now = 0.0

    def __call__(self):
        return self.now


@pytest.mark.parametrize(
    "bad",
    [reply(429), reply(502), reply(503), reply(504), raw(b""), stall(1.5)],
    ids=["429", "502", "503", "504", "disconnected", "stall"],
)
def test_what_may_pass_is_sent_again(serve, opened, journal, bad):
    server = serve(in_turn(bad, bad, reply()))
    answer = opened(server.url, backoff_s=0.05, timeout_s=1.0).send(**ASK)
    assert (answer.attempts, len(server.asked)) == (3, 3)
    first, second = journal.of("RETRY")
    assert (first["attempt"], second["attempt"], first["of"]) == (1, 2, 4)
    assert 0.05 <= first["wait_s"] < 0.07
    assert 0.1 <= second["wait_s"] < 0.12
    assert first["url"] == server.url + "/search"
    assert set(first["error"]) == {"type", "msg", "hint", "details"}
    assert first["error"]["type"]
    waits = 1000 * (first["wait_s"] + second["wait_s"])
    assert waits - 5 <= answer.backoff_ms < answer.latency_ms


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422, 500, 501])
def test_what_will_not_pass_is_not_sent_again(serve, opened, journal, status):
    server = serve(reply(status))
    assert failure(opened(server.url)).reason == f"http_{status}"
    assert len(server.asked) == 1
    assert journal.of("RETRY") == []


def test_a_request_that_must_not_be_repeated_is_not(serve, opened):
    for bad in (reply(502), reply(503), raw(b"")):
        server = serve(bad)
        failure(opened(server.url), repeatable=None)
        assert len(server.asked) == 1
    refused = serve(in_turn(reply(429), reply()))
    assert opened(refused.url).send("POST", "/", content={}).attempts == 2


def test_it_gives_up_after_the_retries(serve, opened, journal):
    server = serve(reply(503, b"no"))
    error = failure(opened(server.url, max_retries=2))
    assert (error.reason, error.attempts, len(server.asked)) == ("http_503", 3, 3)
    assert len(journal.of("RETRY")) == 2
    assert error.backoff_ms > 0
    assert failure(opened(server.url, max_retries=0)).attempts == 1


@pytest.mark.parametrize("where", ["pacer", "slot"])
def test_retry_after_is_obeyed_by_those_who_wait_already(serve, opened, journal, monkeypatch, where):
    """One request is answered 429 while another, admitted so far, waits for a slot or its permit."""
    waiting, told = threading.Event(), threading.Event()
    answered, arrived = [], []

    def answer(asked, handler):
        arrived.append(time.monotonic())
        if len(arrived) > 1:
            return respond(handler, 200, b"{}")
        assert waiting.wait(30)
        answered.append(time.monotonic())
        return respond(handler, 429, b"", Retry_After="1")

    def wait(_pacer, _seconds, _sleep):
        if threading.current_thread().name == "second" and not waiting.is_set():
            waiting.set()
            assert told.wait(30)
        return True

    monkeypatch.setattr(Pacer, "wait", wait)
    door = opened(serve(answer).url, backoff_s=0.001)
    slots = door._upstream(door.base.origin).slots
    if where == "slot":
        slots.limit = 1.0
        told.set()
        monkeypatch.setattr(slots, "_may_go_on", _watched(slots._may_go_on, waiting))
    threads = [threading.Thread(target=door.send, kwargs=ASK, name=n) for n in ("first", "second")]
    threads[0].start()
    until(lambda: arrived)
    threads[1].start()
    until(lambda: journal.of("RETRY"))  # the first one knows now, and has told everybody
    told.set()
    for thread in threads:
        thread.join(30)
    assert len(arrived) == 3
    assert min(arrived[1:]) - answered[0] >= 1.0


def _watched(call, event):
    def watched():
        event.set()
        return call()

    return watched


def test_whoever_comes_after_a_retry_after_obeys_it_too(serve, opened, journal):
    server = serve(in_turn(reply(429, Retry_After="1"), reply()))
    door = opened(server.url, backoff_s=0.001)
    first = threading.Thread(target=door.send, kwargs=ASK)
    began = time.monotonic()
    first.start()
    until(lambda: journal.of("RETRY"))
    answer = door.send(**ASK)
    assert time.monotonic() - began >= 1.0
    assert 0 < answer.backoff_ms <= answer.latency_ms
    first.join(30)
    assert len(server.asked) == 3


@pytest.mark.parametrize("status", [429, 503])
def test_a_retry_after_that_nobody_waits_for_fails_those_it_was_told_to(serve, opened, status):
    def answer(asked, handler):
        if json.loads(asked.body)["group"] == "busy":
            respond(handler, status, b"", Retry_After="3600")
        else:
            respond(handler, 200, b"{}")

    server = serve(answer)
    door = opened(server.url)

    def ask(group):
        return failure(door, content={"group": group}, group=group)

    assert ask("busy").reason == f"http_{status}"
    for _ in range(50):
        error = ask("busy")
        assert (error.reason, error.attempts) == ("resting", 0)
        assert "left alone for 3" in error.message
    assert len(server.asked) == 1
    assert door.send("POST", "/", content={"group": "idle"}, group="idle").status == 200


def test_retry_after_may_be_a_date_and_is_capped(serve, opened):
    assert retry_after("120") == 120
    assert retry_after(" 0 ") == 0
    assert retry_after("soon") is None
    assert retry_after("-5") is None
    assert retry_after("٣") is None
    moment = 1_800_000_000
    assert retry_after(email.utils.formatdate(moment + 90, usegmt=True), lambda: moment) == 90
    assert retry_after(email.utils.formatdate(moment - 90, usegmt=True), lambda: moment) == 0
    server = serve(reply(429, Retry_After="86400"))
    error = failure(opened(server.url))
    assert (error.reason, len(server.asked)) == ("http_429", 1)
    assert "86400 s" in error.hint


@given(
    st.text(max_size=60)
    | st.from_regex(
        r"(Mon, )?[0-9]{1,25} [JDO][a-z]{2} [0-9]{1,25} [0-9:]{0,20} ([+-]?[0-9]{1,9}|GMT)?"
    )
)
def test_no_retry_after_is_too_odd(value):
    found = retry_after(value)
    assert found is None or 0 <= found < 1e12


def test_an_impossible_date_is_no_retry_after(serve, opened):
    odd = "Mon, 01 Jan 99999999999999999999 00:00:00 GMT"
    server = serve(in_turn(reply(429, Retry_After=odd), reply()))
    assert opened(server.url).send(**ASK).attempts == 2


def test_the_server_never_sees_more_than_the_stated_rate(serve, opened):
    """Over all threads. Delays of a busy machine only lengthen the whole, so they cannot fail this."""
    server = serve()
    door = opened(server.url, rate_limit_per_sec=40.0)
    threads = [threading.Thread(target=lambda: [door.send(**ASK) for _ in range(10)]) for _ in range(6)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(server.asked) == 60
    assert time.monotonic() - began >= 59 / 42


@given(st.lists(st.floats(0, 1), min_size=100, max_size=200))
@settings(max_examples=30)
def test_permits_are_as_stated_whenever_they_are_asked_for(pauses):
    """In any second no more than the rate and 5%; a clock of its own makes it exact."""
    clock, given_at = Clock(), []
    pacer = Pacer(40.0, clock)
    for pause in pauses:
        clock.now += pause if pause > 0.9 else 0.0
        assert pacer.wait(10, lambda seconds: setattr(clock, "now", clock.now + seconds))
        given_at.append(clock.now)
    assert max(bisect_left(given_at, t + 1) - i for i, t in enumerate(given_at)) <= 42
    assert all(after >= before for before, after in pairwise(given_at))


def test_repetitions_count_in_the_rate_and_waiting_is_no_latency(serve, opened, monkeypatch):
    permits = []

    def wait(_pacer, _seconds, sleep):
        permits.append(1)
        sleep(0.2)
        return True

    monkeypatch.setattr(Pacer, "wait", wait)
    server = serve(in_turn(reply(503), reply()))
    door = opened(server.url)
    began = time.perf_counter()
    answer = door.send(**ASK)
    whole_ms = 1000 * (time.perf_counter() - began)
    assert (answer.attempts, len(permits)) == (2, 2)
    assert answer.held_ms >= 400
    assert answer.latency_ms <= whole_ms - answer.held_ms


@pytest.mark.parametrize("rate", [5e-324, 1e-9, 0.0004, 0.5, 3.3, 4, 250, 100_000, 1e300])
def test_any_rate_can_be_stated(rate):
    clock = Clock()
    pacer = Pacer(rate, clock)
    assert pacer.wait(0)
    if rate < 10:
        slept = []
        assert not pacer.wait(0.01, lambda s: (slept.append(s), setattr(clock, "now", clock.now + s)))
        assert sum(slept) == pytest.approx(0.01)
    assert all(Pacer(0).wait(0) for _ in range(100))


def test_slots_halve_when_refused_and_grow_by_one_a_round():
    slots = Slots()
    for _ in range(16):
        assert slots.take(0)
    now = time.monotonic()
    slots.give_back(now, refused=True)
    assert slots.limit == 8
    slots.give_back(now - 1, refused=True)  # sent before: says nothing new
    assert slots.limit == 8
    assert not slots.take(0.01)
    for _ in range(14):
        slots.give_back(now, refused=False)
    assert 9 < slots.limit < 10
    for _ in range(9):
        assert slots.take(0)
    assert not slots.take(0.01)


def test_slots_never_fall_below_one():
    slots = Slots()
    for _ in range(20):
        assert slots.take(0)
        slots.give_back(time.monotonic(), refused=True)
    assert slots.limit == 1


def test_a_target_that_says_no_gets_fewer_requests_at_once(serve, opened):
    """It can do four at a time; sixteen threads settle near that."""
    lock, under_way, refused = threading.Lock(), Counter(), Counter()

    def answer(_asked, handler):
        with lock:
            under_way["now"] += 1
            crowded = under_way["now"] > 4
            refused["total"] += crowded
        time.sleep(0.002 if crowded else 0.02)
        with lock:
            under_way["now"] -= 1
        respond(handler, 429 if crowded else 200, b"{}")

    door = opened(serve(answer).url, max_retries=8)
    threads = [
        threading.Thread(target=lambda: [door.send(**ASK) for _ in range(15)]) for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert refused["total"] < 100  # of 240 requests; without limits nearly all are refused, repeatedly


def test_the_breaker_opens_tries_and_closes():
    clock = Clock()
    breaker = Breaker(rest_s=5.0, clock=clock)
    for _ in range(FAILURES_TO_OPEN - 1):
        assert breaker.enter() is False
        breaker.answered(False)
    breaker.answered(True)
    for _ in range(FAILURES_TO_OPEN):
        breaker.answered(False)
    assert breaker.closed_for() == 5
    assert breaker.enter() is None
    clock.now = 5.0
    assert breaker.enter() is True, "the trial"
    assert breaker.enter() is None, "only one"
    assert breaker.closed_for() > 0
    breaker.answered(None, trial=True)
    assert breaker.enter() is True, "a trial that was not sent leaves its place"
    breaker.answered(False, trial=True)
    assert breaker.closed_for() == 10
    clock.now = 15.0
    assert breaker.enter() is True
    breaker.answered(True, trial=True)
    assert not breaker.is_open()
    assert breaker.enter() is False


def test_after_three_trials_nobody_waits():
    clock = Clock()
    breaker = Breaker(rest_s=1.0, clock=clock)
    for _ in range(FAILURES_TO_OPEN):
        breaker.answered(False)
    for _ in range(3):
        assert not breaker.is_down
        clock.now += breaker.closed_for()
        assert breaker.enter() is True
        breaker.answered(False, trial=True)
    assert breaker.is_down


def on_trial():
    """A breaker that has opened, rested and let one request through; and its clock."""
    clock = Clock()
    breaker = Breaker(rest_s=5.0, clock=clock)
    for _ in range(FAILURES_TO_OPEN):
        breaker.answered(False)
    clock.now = 5.0
    assert breaker.enter() is True
    return breaker, clock


def test_a_request_sent_before_the_breaker_opened_is_no_trial():
    breaker, _ = on_trial()
    breaker.answered(False)
    assert breaker.enter() is None, "the trial is still under way"
    breaker.answered(False, trial=True)
    assert breaker.closed_for() == 10, "one trial failed"


def test_a_late_answer_of_an_earlier_request_leaves_no_trial_behind():
    breaker, clock = on_trial()
    breaker.answered(True)  # one sent before the breaker opened
    assert not breaker.is_open()
    breaker.answered(True, trial=True)
    for _ in range(FAILURES_TO_OPEN):
        assert breaker.enter() is False
        breaker.answered(False)
    clock.now += breaker.closed_for()
    assert breaker.enter() is True, "the next trial"


def test_what_was_never_sent_is_no_news_of_the_target(serve, opened, monkeypatch):
    """It neither closes a breaker nor counts as a failure."""
    door = opened(
        "http://shop.example:80", allowed_hosts=["shop.example:80"], resolve=lambda *_: ["169.254.1.1"]
    )
    upstream = door._upstream(door.base.origin)
    for _ in range(FAILURES_TO_OPEN - 1):
        upstream.breaker.answered(False)
    for _ in range(3):
        with pytest.raises(AddressRefused):
            door.send("GET", "/")
    assert not upstream.breaker.is_open()
    upstream.breaker.answered(False)
    assert upstream.breaker.is_open(), "the failures before still count"

    left = [10.0]
    server = serve()
    door = opened(server.url, left_s=lambda: left[0])
    monkeypatch.setattr(Pacer, "wait", lambda *_: left.__setitem__(0, -1.0) or True)
    error = failure(door)
    assert (error.reason, error.attempts, server.asked) == ("deadline", 0, [])


@pytest.mark.parametrize("bad", [reply(500), reply(503), raw(b"")], ids=["500", "503", "disconnected"])
@pytest.mark.parametrize("clients", [1, 4])
def test_a_group_that_always_fails_holds_back_no_other(serve, opened, bad, clients):
    def answer(asked, handler):
        (bad if json.loads(asked.body)["group"] == "bad" else reply())(asked, handler)

    door = opened(serve(answer).url, max_retries=0, backoff_s=1.0)
    found = Counter()

    def ask(worker):
        for number in range(240 // clients):
            group = ("bad", "good")[(number // 30 + worker) % 2]  # blocks, as units of work come
            try:
                door.send("POST", "/", content={"group": group}, repeatable=True, group=group)
                found[group, ""] += 1
            except RequestFailed as error:
                found[group, error.reason] += 1

    threads = [threading.Thread(target=ask, args=(worker,)) for worker in range(clients)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {key: n for key, n in found.items() if key[0] == "good"} == {("good", ""): 120}
    assert sum(n for key, n in found.items() if key[0] == "bad") == 120
    assert found["bad", "http_500"] in (0, 120), "an answer is no outage"
    assert found["bad", "http_503"] + found["bad", "disconnected"] < 60, "its own breaker opened"


@pytest.mark.parametrize(
    "bad", [reply(503, Retry_After="60"), reply(503, Retry_After="3600"), raw(b"")]
)
def test_a_stated_load_is_sent_whatever_the_target_says(serve, opened, stated, bad):
    """Twice as many failures as open a breaker; each request asks, and those after it as well."""
    server = serve(in_turn(*[bad] * 2 * FAILURES_TO_OPEN, reply()))
    door = opened(server.url, max_retries=0)
    for _ in range(2 * FAILURES_TO_OPEN):
        error = failure(door)
        assert (error.reason in ("http_503", "disconnected"), error.attempts) == (True, 1)
        assert error.held_ms < error.latency_ms
    assert door.send(**ASK).status == 200
    assert len(server.asked) == 2 * FAILURES_TO_OPEN + 1


def test_as_many_requests_of_a_stated_load_are_under_way_as_were_sent(serve, opened, stated):
    """After refusals, each of which would halve the slots, sixteen are answered together or never."""
    together, refused = threading.Barrier(16), iter(range(16))

    def answer(asked, handler):
        if next(refused, None) is None:
            together.wait(30)
            return respond(handler, 200, b"{}")
        return respond(handler, 503, b"")

    door = opened(serve(answer).url, max_retries=0)
    for _ in range(16):
        assert failure(door).reason == "http_503"

    def ask(_):
        STATED.set(True)
        return door.send(**ASK)

    with ThreadPoolExecutor(16) as pool:
        assert [answer.status for answer in pool.map(ask, range(16))] == [200] * 16


def test_what_a_stated_load_met_tells_nothing_of_the_rest(serve, opened):
    """A probe that drove the target too far shuts no configuration out of the race."""
    server = serve(in_turn(*[reply(503)] * 2 * FAILURES_TO_OPEN, reply()))
    door = opened(server.url, max_retries=0)
    token = STATED.set(True)
    for _ in range(2 * FAILURES_TO_OPEN):
        failure(door)
    STATED.reset(token)
    assert door.send(**ASK).attempts == 1


def test_a_target_that_cannot_be_reached_gets_no_stated_load_either(opened, stated):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        door = opened(url, max_retries=0, backoff_s=10)
        reasons = [failure(door).reason for _ in range(FAILURES_TO_OPEN + 5)]
    assert reasons == ["connect"] * FAILURES_TO_OPEN + ["breaker_open"] * 5


def test_a_dead_target_is_left_alone_and_every_request_is_still_a_named_failure(serve, opened):
    server = serve(raw(b""))
    door = opened(server.url, backoff_s=0.02, max_retries=1)
    began = time.perf_counter()
    reasons = Counter(failure(door).reason for _ in range(300))
    assert time.perf_counter() - began < 10
    assert reasons.total() == 300
    assert set(reasons) == {"disconnected", "breaker_open"}
    assert len(server.asked) < 60


def test_a_target_that_comes_back_is_used_again(serve, opened):
    server = serve(reply(502))
    door = opened(server.url, backoff_s=0.02, max_retries=0)
    while failure(door).reason != "breaker_open":
        pass
    server.answer = reply()
    patient = opened(server.url, backoff_s=0.02)
    assert patient.send(**ASK).status == 200
    deadline = time.monotonic() + 5
    reasons = set()
    while time.monotonic() < deadline:
        try:
            door.send(**ASK)
            break
        except RequestFailed as error:
            reasons.add(error.reason)
            time.sleep(0.02)
    assert reasons <= {"breaker_open"}
    assert door.send(**ASK).status == 200


def test_the_end_of_the_run_cuts_a_request_short(serve, opened):
    given_up, left = threading.Event(), [1.0]
    server = serve(lambda _asked, _handler: given_up.wait(60))
    door = opened(server.url, left_s=lambda: left[0], timeout_s=60.0, max_retries=0)
    began = time.perf_counter()
    assert failure(door).reason == "timeout"
    assert time.perf_counter() - began < 30
    given_up.set()
    left[0] = 0.0
    error = failure(door)
    assert (error.reason, error.attempts) == ("deadline", 0)
    assert "limits.wall" in error.hint


def test_no_wait_is_begun_that_the_run_has_no_time_for(serve, opened):
    server = serve(reply(503, Retry_After="60"))
    door = opened(server.url, left_s=lambda: 5.0)
    began = time.perf_counter()
    assert failure(door).reason == "http_503"
    assert time.perf_counter() - began < 30


def test_the_rate_limit_does_not_outlast_the_run(serve, opened):
    left = [60.0]
    door = opened(serve().url, rate_limit_per_sec=0.01, left_s=lambda: left[0])
    door.send(**ASK)
    left[0] = 0.3
    error = failure(door)
    assert (error.reason, error.attempts) == ("deadline", 0)
    assert error.held_ms >= 250, "it was held back, and that is no latency"
    assert error.latency_ms < error.held_ms


def test_the_budget_is_asked_before_each_repetition(serve, opened):
    server = serve(in_turn(reply(503)))
    budget = Budget(Limits(requests=3))
    door = opened(server.url, max_retries=9, backoff_s=0.001, may_send=budget.check)
    error = failure(door)
    assert (error.reason, error.attempts, len(server.asked)) == ("budget", 3, 3)
    assert "limits.requests" in error.hint
    budget.spend(3, 0.0)  # as the run does with what it is told of the call
    assert failure(door).attempts == 0


def test_a_spent_budget_of_cost_sends_nothing(serve, opened):
    server, budget = serve(in_turn(reply())), Budget(Limits(cost_usd=0.02))
    door = opened(server.url, may_send=budget.check)
    door.send(**ASK)
    budget.spend(1, 0.02)
    error = failure(door)
    assert (error.reason, error.attempts, len(server.asked)) == ("budget", 0, 1)
    assert "limits.cost_usd: $0.0200 of $0.0200" in error.message


def test_an_allowance_is_exact_over_threads():
    """What passes the door counts until its call returns, so that no two take the last one."""
    budget = Budget(Limits(requests=1000))
    allowance = Allowance(may_send=budget.check)
    taken, refused = [], []

    def take():
        for _ in range(300):
            try:
                taken.append(allowance.take())
            except RequestFailed as error:
                refused.append(error)

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(taken), len(refused)) == (1000, 200)
    allowance.give_back(1000)
    allowance.take()
