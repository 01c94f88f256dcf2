"""Which rates a search tries, and which it holds for kept: it finds the highest one, to a tenth."""

import math
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestra_core.observation import Failure, LatencySample
from orchestra_core.probing.measuring import figures_of
from orchestra_core.probing.probes import Search
from orchestra_core.probing.searching import GROWTH, LOWEST, PRECISION, climb
from orchestra_core.runner import Load


def tried(start, bears):
    """Rates and whether each held, of a target that bears up to `bears` per second."""
    rates, found = climb(start), []
    try:
        rate = next(rates)
        while True:
            found.append((rate, rate <= bears))
            rate = rates.send(rate <= bears)
    except StopIteration:
        return found


@settings(deadline=None)
@given(st.floats(0.2, 1e4), st.floats(1, 1e3))
def test_the_highest_rate_is_found_to_a_tenth(bears, start):
    found = tried(start, bears)
    held = max((rate for rate, kept in found if kept), default=0.0)
    failed = min((rate for rate, kept in found if not kept), default=math.inf)
    assert held <= bears < failed
    assert failed <= held * (1 + PRECISION) + 1e-9
    assert len(found) <= 6 + abs(math.log2(bears / start)) + 2


def test_it_doubles_first_and_then_narrows_down():
    rates = [rate for rate, _ in tried(10, 75)]
    assert rates[:4] == [10, 20, 40, 80]
    assert all(40 < rate < 80 for rate in rates[4:])


def test_it_halves_where_the_first_rate_fails_and_gives_up_at_last():
    rates = [rate for rate, _ in tried(1.0, 0.0)]
    assert rates == [1.0 / GROWTH**i for i in range(len(rates))]
    assert rates[-1] >= LOWEST > rates[-1] / GROWTH


def figures(rate, served_s, failed=0, count=100):
    """Of `count` requests that arrive at a rate, and are served one by one."""
    samples, free = [], 0.0
    for index in range(count):
        due = index / rate
        free = max(due, free) + served_s
        failure = Failure("http_503", "busy") if index < failed else None
        samples.append(LatencySample("c", "q", 1000 * (free - due), due, due, failure=failure))
    return figures_of(samples, Load("open", rate=rate))


@pytest.mark.parametrize(
    ("rate", "failed", "kept"),
    [(20, 0, True), (24, 0, True), (20, 1, True), (20, 2, False), (30, 0, False), (60, 0, False)],
)
def test_a_rate_is_kept_where_hardly_any_fails_and_answers_come_as_fast_as_requests(rate, failed, kept):
    """The target bears 25 per second; the limit of 60 s would let its queue pass."""
    found = figures(rate, 0.04, failed)
    assert Search(None, Load("open", rate=rate), 60_000, 1, 1).kept(found) is kept
    assert found.sent_rate == found.scheduled_rate == pytest.approx(rate)
    assert found.achieved_rate == pytest.approx(min(rate, 25), rel=0.03)


def test_p95_breaks_a_limit_by_itself():
    assert not Search(None, Load("open", rate=20), 39, 1, 1).kept(figures(20, 0.04))
    assert Search(None, Load("open", rate=20), 41, 1, 1).kept(figures(20, 0.04))


def test_one_slow_answer_at_the_end_is_no_silence_and_a_silence_is():
    samples = [LatencySample("c", "q", 10.0, i / 10, i / 10) for i in range(100)]
    slow = [*samples[:-1], replace(samples[-1], latency_ms=30_000.0)]
    assert figures_of(slow, Load("open", rate=10)).achieved_rate == pytest.approx(10, rel=0.03)
    dead = Failure("timeout", "")
    half = samples[:50] + [replace(s, failure=dead, latency_ms=1000.0) for s in samples[50:]]
    assert figures_of(half, Load("open", rate=10)).achieved_rate == pytest.approx(5, rel=0.03)


def test_what_an_allowed_rate_held_back_is_no_latency_and_no_achievement():
    """Ten per second were wanted and five allowed."""
    held = [
        LatencySample("c", "q", 10.0, i / 10, i / 5, held_ms=1000 * (i / 5 - i / 10))
        for i in range(100)
    ]
    found = figures_of(held, Load("open", rate=10))
    assert found.latency["p95_ms"].value == 10.0
    assert (found.scheduled_rate, found.sent_rate) == pytest.approx((10, 5))
    assert found.achieved_rate == pytest.approx(5, rel=0.03)
    assert found.seconds == pytest.approx(19.81)
    assert not Search(None, Load("open", rate=10), 60, 1, 1).kept(found)
