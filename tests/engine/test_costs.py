"""What is paid for a unit that gives no result: counted, kept, and not gone on with."""

import threading
from dataclasses import replace

import pytest

from orchestra_core.testing import StubRunner

PRICE = 0.1


class Paid(StubRunner):
    """Each answer is paid for when the target gives it; `halt` sees each unit's answers before."""

    def __init__(self, halt):
        super().__init__()
        self.halt, self.paid, self.lock = halt, 0.0, threading.Lock()
        self.ended = threading.Semaphore(0)
        """Released as often as `evaluate` was left."""

    def orchestra_runner(self, request):
        opened = super().orchestra_runner(request)
        found = opened.evaluate

        def evaluate(configurations, queries):
            try:
                for number, one in enumerate(found(configurations, queries)):
                    self.halt(number)
                    with self.lock:
                        self.paid += PRICE
                    yield replace(one, cost=PRICE)
            finally:
                self.ended.release()

        opened.evaluate = evaluate
        return opened

    orchestra_runner.orchestra_impl = StubRunner.orchestra_runner.orchestra_impl


def test_what_a_unit_cost_before_it_failed_is_counted(run_orchestra):
    def breaks(number):
        if number == 3:
            raise RuntimeError("connection reset by peer")

    runner = Paid(breaks)
    run = run_orchestra(runner=runner)
    failed = run.of_type("UNIT_FAILED")
    assert failed
    assert [event.payload["cost_usd"] for event in failed] == [pytest.approx(3 * PRICE)] * len(failed)
    assert run.report.cost_usd == pytest.approx(runner.paid)


def test_units_that_fail_come_to_the_limit_of_cost(run_orchestra):
    def breaks(number):
        if number == 3:
            raise RuntimeError("connection reset by peer")

    runner = Paid(breaks)
    run = run_orchestra(runner=runner, experiment={"concurrency": 1, "limits": {"cost_usd": 0.75}})
    assert run.report.error["details"] == {"limit": "cost_usd"}
    assert run.report.cost_usd == pytest.approx(runner.paid) == pytest.approx(0.8)


def test_a_unit_that_was_given_up_asks_no_more(run_orchestra):
    """Its answers until then are told; the one that was under way is the last."""
    go_on = threading.Event()

    def hangs(number):
        if number == 2:
            go_on.wait(60)

    runner = Paid(hangs)
    try:
        run = run_orchestra(runner=runner, experiment={"runner": {"runner_timeout_s": 1.0}})
    finally:
        go_on.set()
    failed = run.of_type("UNIT_FAILED")
    assert len(run.of_type("RUNNER_TIMEOUT")) == len(failed) > 0
    told = sum(event.payload["cost_usd"] for event in failed)
    assert run.report.cost_usd == pytest.approx(told)
    for _ in failed:
        assert runner.ended.acquire(timeout=60)
    assert 0 < told < runner.paid < told + PRICE * (len(failed) + 0.5), "one more of each"
