"""The default executor: a few daemon threads, with a time limit per unit.

Daemon threads rather than a ThreadPoolExecutor, because a runner that hangs must be able neither to
hold up the run beyond its limit nor to keep the process from ending.
"""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from orchestra_core.errors import RunnerTimeout
from orchestra_core.hookspecs import hookimpl
from orchestra_core.observation import Unit, UnitResult
from orchestra_core.payloads import ExecutorRequest

Evaluate = Callable[[Unit], UnitResult]


@hookimpl(trylast=True)
def orchestra_executor(request: ExecutorRequest) -> ThreadExecutor:
    """Threads in this process."""
    return ThreadExecutor(request.concurrency, request.unit_timeout_s)


@dataclass
class _Batch:
    """One call of `run`: work to take, results to hand back, and when each unit began."""

    todo: queue.SimpleQueue[int] = field(default_factory=queue.SimpleQueue)
    done: queue.SimpleQueue[tuple[int, UnitResult | BaseException]] = field(
        default_factory=queue.SimpleQueue
    )
    started: dict[int, float] = field(default_factory=dict)
    stopped: threading.Event = field(default_factory=threading.Event)


class ThreadExecutor:
    """Runs units on at most `concurrency` threads; see the Executor protocol."""

    def __init__(self, concurrency: int, unit_timeout_s: float) -> None:
        self._concurrency = concurrency
        self._timeout = unit_timeout_s
        self._batches: list[_Batch] = []

    def run(self, units: Sequence[Unit], evaluate: Evaluate) -> Iterator[UnitResult]:
        """Yield one result per unit as they come; a unit beyond its time yields a timeout."""
        batch = _Batch()
        self._batches.append(batch)
        for index in range(len(units)):
            batch.todo.put(index)
        for _ in range(min(self._concurrency, len(units))):
            self._start_worker(batch, units, evaluate)
        waiting = set(range(len(units)))
        try:
            while waiting:
                for index, result in self._next_results(batch, units, evaluate):
                    if index in waiting:
                        waiting.discard(index)
                        yield result
        finally:
            batch.stopped.set()
            self._batches.remove(batch)

    def close(self) -> None:
        """Let idle workers end; one that is stuck in a runner is left behind as a daemon."""
        for batch in self._batches:
            batch.stopped.set()

    def _start_worker(self, batch: _Batch, units: Sequence[Unit], evaluate: Evaluate) -> None:
        def work() -> None:
            while not batch.stopped.is_set():
                try:
                    index = batch.todo.get_nowait()
                except queue.Empty:
                    return
                batch.started[index] = time.monotonic()
                batch.done.put((index, _evaluated(evaluate, units[index])))

        threading.Thread(target=work, name="orchestra-unit", daemon=True).start()

    def _next_results(
        self, batch: _Batch, units: Sequence[Unit], evaluate: Evaluate
    ) -> list[tuple[int, UnitResult]]:
        try:
            index, result = batch.done.get(timeout=min(1.0, self._timeout / 4))
        except queue.Empty:
            return self._timed_out(batch, units, evaluate)
        if isinstance(result, BaseException):
            raise result
        batch.started.pop(index, None)
        return [(index, result)]

    def _timed_out(
        self, batch: _Batch, units: Sequence[Unit], evaluate: Evaluate
    ) -> list[tuple[int, UnitResult]]:
        now = time.monotonic()
        late = [i for i, began in batch.started.copy().items() if now - began > self._timeout]
        for index in late:
            batch.started.pop(index, None)
            self._start_worker(batch, units, evaluate)  # in place of the one that hangs
        return [(index, self._timeout_result(units[index])) for index in late]

    def _timeout_result(self, unit: Unit) -> UnitResult:
        error = RunnerTimeout(
            f"the runner did not finish {unit.size} evaluations within {self._timeout:g} s",
            hint="Raise runner.runner_timeout_s, or look at the target's load.",
        )
        return UnitResult(unit, (), self._timeout, error.as_payload())


def _evaluated(evaluate: Evaluate, unit: Unit) -> UnitResult | BaseException:
    """What ends a worker's thread (an interrupt, a full disk) must reach whoever waits for results."""
    try:
        return evaluate(unit)
    except BaseException as error:
        return error
