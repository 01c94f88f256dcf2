"""Units cover what was asked exactly once; executors give back one result per unit, come what may."""

import threading
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestra_core import (
    Answer,
    Failure,
    LatencySample,
    Load,
    Observation,
    Query,
    Unit,
    UnitResult,
    drive,
)
from orchestra_core.builtin.threads import ThreadExecutor
from orchestra_core.errors import BudgetExhausted, TargetError
from orchestra_core.experiment import Limits
from orchestra_core.plan import Configuration
from orchestra_core.scheduling.budget import Budget
from orchestra_core.scheduling.units import (
    checked,
    count_failures,
    cut,
    failed_observations,
    probed,
)

IDS = st.lists(st.text(min_size=1, max_size=3), min_size=1, max_size=40, unique=True)


@given(IDS, IDS, st.booleans(), st.integers(1, 8))
def test_units_cover_every_pair_exactly_once(config_ids, query_ids, shares_work, concurrency):
    units = cut("grid", 0, config_ids, query_ids, shares_work=shares_work, concurrency=concurrency)
    pairs = [(c, q) for u in units for c in u.config_ids for q in u.query_ids]
    assert sorted(pairs) == sorted((c, q) for c in config_ids for q in query_ids)
    assert sum(u.size for u in units) == len(pairs)
    if shares_work:
        assert all(u.config_ids == tuple(config_ids) for u in units)
        assert len(units) <= concurrency
    else:
        assert all(len(u.config_ids) == 1 for u in units)


UNIT = Unit("grid", 0, ("a", "b"), ("q1", "q2"))
WHOLE = [Observation(c, q, ranking=("d",)) for c in "ab" for q in ("q1", "q2")]


def test_a_whole_answer_passes_unchanged():
    assert checked(UNIT, WHOLE) == tuple(WHOLE)


@pytest.mark.parametrize(
    ("answer", "word"),
    [([*WHOLE, WHOLE[0]], "twice"), ([*WHOLE, Observation("c", "q1")], "unasked")],
)
def test_answers_to_other_questions_fail_the_unit(answer, word):
    with pytest.raises(TargetError, match=word):
        checked(UNIT, answer)


@given(st.lists(st.sampled_from(WHOLE), unique_by=lambda o: (o.config_id, o.query_id)))
def test_missing_answers_are_failures(part):
    found = {(o.config_id, o.query_id): o for o in checked(UNIT, part)}
    assert len(found) == UNIT.size
    assert count_failures(found.values()) == (
        {"no_observation": UNIT.size - len(part)} if len(part) < UNIT.size else {}
    )


@pytest.mark.parametrize(
    ("observation", "reason"),
    [
        (Observation("a", "q1", ranking=("d", "d")), "repeated_document"),
        *[
            (Observation("a", "q1", ranking=("d", wrong)), "malformed_id")
            for wrong in ("", "two words", "line\nend", "\x1b[31m", "\u2003", 7, None)
        ],
        (Observation("a", "q1", latency_ms=float("nan")), "malformed_figure"),
        (Observation("a", "q1", latency_ms=-1.0), "malformed_figure"),
        (Observation("a", "q1", cost=float("inf")), "malformed_figure"),
    ],
)
def test_answers_that_cannot_be_right_are_failures(observation, reason):
    assert count_failures(checked(Unit("grid", 0, ("a",), ("q1",)), [observation])) == {reason: 1}


def test_ids_of_any_script_are_ids():
    found = Observation("a", "q1", ranking=("größe", "文書", "a\u200db", "x:1/2#3"))
    assert list(checked(Unit("grid", 0, ("a",), ("q1",)), [found])) == [found]


def test_a_failed_unit_fails_each_of_its_pairs():
    result = UnitResult(UNIT, (), 1.0, {"type": "timeout", "msg": "too slow"})
    found = failed_observations(result)
    assert {(o.config_id, o.query_id) for o in found} == {(c, q) for c in "ab" for q in ("q1", "q2")}
    assert {o.failure for o in found} == {Failure("timeout", "too slow")}


def test_failures_of_probes_are_counted_too():
    samples = [LatencySample("a", "q", 1.0), LatencySample("a", "q", 0.0, failure=Failure("x", ""))]
    assert count_failures(samples) == {"x": 1}


# -- probes whose time is up -------------------------------------------------------------------------


class Slow:
    """A runner that answers `quick` requests at once, and the others when the test is over."""

    def __init__(self, quick, probe=None):
        self.quick, self.asked = quick, 0
        self.over = threading.Event()
        self.probe = probe or self._drive

    def _drive(self, configuration, queries, load):
        yield from drive(configuration.config_id, queries, load, self._ask)

    def _ask(self, _query):
        self.asked += 1
        if self.asked > self.quick:
            self.over.wait(30)
        return Answer()


PROBED = Configuration(config_id="c", parameters={})
QUERIES = [Query(f"q{i:03}", "text") for i in range(400)]


@pytest.mark.parametrize("load", [Load("open", rate=50), Load(concurrency=4)])
def test_a_probe_whose_time_is_up_sends_nothing_more_and_keeps_what_came(load):
    """Else the other arm would be timed under the load that was left behind."""
    runner = Slow(quick=20)
    found = probed(runner, PROBED, QUERIES, load, 2.0)
    before = runner.asked
    time.sleep(0.6)
    runner.over.set()
    assert runner.asked == before < len(QUERIES)
    assert [sample.query_id for sample in found] == [query.query_id for query in QUERIES]
    assert all(sample.failure is None for sample in found[:20])
    assert count_failures(found) == {"timeout": 380}


def test_a_probe_that_drives_itself_is_closed_at_its_next_sample():
    asked, closed = [], []

    def probe(configuration, queries, load):
        try:
            for query in queries:
                asked.append(query)
                time.sleep(0.05)
                yield LatencySample(configuration.config_id, query.query_id, 50.0)
        finally:
            closed.append(True)

    found = probed(Slow(0, probe), PROBED, QUERIES, Load(), 0.3)
    assert closed == [True]
    assert len(asked) < 12
    assert count_failures(found)["timeout"] == 400 - len(asked)


def test_a_probe_that_never_comes_back_is_left():
    gate = threading.Event()
    runner = Slow(0, lambda *_asked: [gate.wait(30)])
    began = time.monotonic()
    found = probed(runner, PROBED, QUERIES[:3], Load(), 0.1)
    assert time.monotonic() - began < 10
    gate.set()
    assert count_failures(found) == {"timeout": 3}


# -- the thread executor ----------------------------------------------------------------------------


def units(count):
    return [Unit("grid", 0, (f"c{i}",), ("q",)) for i in range(count)]


def done(unit):
    return UnitResult(unit, (), 0.0)


@given(st.integers(0, 30), st.integers(1, 8))
def test_every_unit_gives_one_result(count, concurrency):
    executor = ThreadExecutor(concurrency, 30)
    asked = units(count)
    found = [result.unit for result in executor.run(asked, done)]
    executor.close()
    assert sorted(u.config_ids for u in found) == sorted(u.config_ids for u in asked)


def test_units_run_at_the_same_time_and_never_more_than_allowed():
    together = threading.Barrier(3, timeout=60)
    most, now, lock = 0, 0, threading.Lock()

    def evaluate(unit):
        nonlocal most, now
        with lock:
            now += 1
            most = max(most, now)
        together.wait()  # passes only when three are here
        with lock:
            now -= 1
        return done(unit)

    assert len(list(ThreadExecutor(3, 30).run(units(6), evaluate))) == 6
    assert most == 3


def test_a_unit_that_hangs_times_out_and_the_others_go_on():
    hang = threading.Event()

    def evaluate(unit):
        if unit.config_ids == ("c0",):
            hang.wait(30)
        return done(unit)

    began = time.monotonic()
    found = {r.unit.config_ids[0]: r.error for r in ThreadExecutor(1, 0.1).run(units(4), evaluate)}
    hang.set()
    assert time.monotonic() - began < 10
    assert found.pop("c0")["type"] == "timeout"
    assert found == {"c1": None, "c2": None, "c3": None}


def test_an_interrupt_in_a_worker_reaches_the_run():
    def evaluate(unit):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(ThreadExecutor(2, 30).run(units(4), evaluate))


def test_a_run_that_is_left_takes_no_more_work():
    taken = []
    gate = threading.Event()

    def evaluate(unit):
        taken.append(unit)
        if len(taken) > 1:
            gate.wait(10)
        return done(unit)

    running = ThreadExecutor(1, 30).run(units(50), evaluate)
    next(running)
    running.close()
    gate.set()
    assert len(taken) <= 3


# -- the budget -------------------------------------------------------------------------------------


def test_requests_are_refused_before_they_are_sent():
    budget = Budget(Limits(requests=10))
    budget.spend(6, 0.0)
    budget.check(4)
    with pytest.raises(BudgetExhausted, match=r"limits\.requests: 6 requests, 5 more needed, of 10"):
        budget.check(5)


def test_cost_is_refused_once_it_is_over():
    budget = Budget(Limits(cost_usd=1.0))
    budget.spend(1, 1.0)
    budget.check()
    budget.spend(1, 0.01)
    with pytest.raises(BudgetExhausted, match=r"limits\.cost_usd") as caught:
        budget.check()
    assert caught.value.details == {"limit": "cost_usd"}


def test_what_is_answered_after_a_unit_was_given_up_is_paid_for():
    budget = Budget(Limits(requests=10, cost_usd=0.25))
    tab = budget.tab("unit")
    tab.add(1, 0.1)
    assert not tab.is_spent
    budget.close("unit")
    budget.spend(4, tab.cost_usd)
    assert tab.is_spent, "nothing more may be sent for it"
    tab.add(1, 0.1)
    assert (tab.requests, tab.cost_usd) == (1, 0.1)
    assert (budget.requests, budget.cost_usd) == (4, 0.2)
