"""The one driver of every probe: when requests are sent, and from when their latency counts.

A runner hands it a function that asks its target once; no runner needs to know of arrivals, clients
or clocks. Public, for plugin authors: `orchestra_core.drive`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from math import ceil, inf
from queue import Empty, SimpleQueue
from random import Random

from orchestra_core.errors import describe_error
from orchestra_core.observation import Answer, Failure, LatencySample, Query
from orchestra_core.outbound.stated import STATED
from orchestra_core.runner import Load
from orchestra_core.scheduling.budget import TAB
from orchestra_core.scheduling.halting import HALT

Ask = Callable[[Query], Answer]
PATIENCE_S = 1.0
"""An arrival that found no free client for so long is not sent any more: it failed, `saturated`."""
BLOCK_S = 1.0
"""How long one arm of a comparison is asked before it is the other's turn, where queries suffice."""
PER_CLIENT = 4
"""Queries in a block for each client of a closed load, where queries suffice."""
TURNS = 4
"""How often, at least, it is each arm's turn, if there are queries enough."""
FAREWELL_S = 1.0
"""How long a probe that was abandoned waits for requests that are under way."""
UNHURRIED_S = 1e6
"""What is under way when the budget is spent has the time it needs: it is paid for."""
UNFINISHED = "unfinished"
"""Reason of a request that was under way when its probe was stopped, and not answered in time."""


def drive(config_id: str, queries: Sequence[Query], load: Load, ask: Ask) -> Iterator[LatencySample]:
    """One sample per query, as they are answered; `load.warmup` requests go before, unreported.

    `closed`: `load.concurrency` clients, each asking the next query when it has its answer. `open`:
    query i is due at the i-th arrival, whether or not earlier ones were answered, and its latency
    counts from there: a stalled target cannot hide its queue ("coordinated omission", Tene 2013). Up
    to `load.outstanding` requests are under way at once; an arrival that waited `PATIENCE_S` for one
    of them to end is a failure of reason `saturated`.

    `ask` is called from several threads. An exception from it becomes a failure: `timeout` for a
    TimeoutError, else an Orchestra error's code or the name of its class. Nothing is sent before the
    first sample is asked for, and nothing more once the iterator is closed or the budget is spent.
    Where Orchestra stops the probe (its time is up), it ends early; what then is not answered in a
    moment failed, `unfinished`.

    What `ask` sends through the core's door reaches the target as the load says (`outbound.stated`):
    neither slots nor a configuration's breaker hold it back, and only the time that the rate limit did
    so is no latency. Pauses before repetitions are.
    """
    if not queries:
        return
    traffic = _Traffic(config_id, queries, load, ask)
    try:
        if (halt := HALT.get()) is not None:
            halt.listen(traffic.stop)
        traffic.begin()
        yield from traffic.samples()
    finally:
        traffic.end()


def arrival_times(count: int, load: Load) -> list[float]:
    """Seconds from the first request to each arrival, of length `count`, never falling.

    `constant`: every 1/rate seconds. `poisson`: gaps are exponential with that mean and follow from
    `load.seed` alone. Independent users arrive so; their bursts make queues that even arrivals hide.
    """
    if load.arrivals == "constant":
        return [index / load.rate for index in range(count)]
    random, now, times = Random(load.seed), 0.0, []  # noqa: S311 - a schedule is no secret
    for _ in range(count):
        times.append(now)
        now += random.expovariate(load.rate)
    return times


def block_size(load: Load, queries: int, smallest: int) -> int:
    """How many of `queries` one arm is asked before it is the other's turn.

    At least `smallest`, and enough for the load to be what it says: `BLOCK_S` of arrivals under an open
    one, or no queue could form; `PER_CLIENT` queries for each client of a closed one, since all of them
    are busy only until the block's last query is taken. But a quarter of the queries at most, so that
    there are `TURNS` for each arm: A B B A A B B A.
    """
    needed = PER_CLIENT * load.concurrency if load.mode == "closed" else ceil(load.rate * BLOCK_S)
    return max(1, min(max(smallest, needed), queries // TURNS))


def most_clients(queries: int) -> int:
    """How many clients of a closed load can be busy at once in a block of so many `queries`."""
    return max(1, queries // TURNS)


class _Stopped:
    """Among the samples: the probe was stopped."""


class _Traffic:
    """Clients, each a thread. Who holds the turn waits for the next arrival, then sends it.

    There is no thread that only hands out work, so none can be late in doing so.
    """

    def __init__(self, config_id: str, queries: Sequence[Query], load: Load, ask: Ask) -> None:
        self._done: SimpleQueue[LatencySample | BaseException | _Stopped | None] = SimpleQueue()
        """An entry per request: None for a warm-up, an exception when a client itself broke."""
        self._config_id, self._queries, self._load, self._ask = config_id, queries, load, ask
        self._count = load.warmup + len(queries)
        self._open = load.mode == "open"
        self._tab = TAB.get()
        self._most = min(load.outstanding if self._open else load.concurrency, self._count)
        self._times = arrival_times(self._count, load) if self._open else []
        self._turn, self._counting = threading.Lock(), threading.Lock()
        self._over = threading.Event()
        self._until: float | None = None
        """Once stopped: when what is under way counts as unfinished, on the performance clock."""
        self._clients: list[threading.Thread] = []
        self._under_way: dict[int, float] = {}
        """Request → when it was due."""
        self._free = 0
        self._next = 0
        self._warmup_cost = 0.0
        self._began = self._origin = self._stopped = 0.0

    def begin(self) -> None:
        """Start the clock and the first client; others follow as they are needed."""
        self._began = self._origin = time.perf_counter()
        self._add_client()

    def samples(self) -> Iterator[LatencySample]:
        """One per request that is no warm-up; once stopped, of those that were due until then."""
        left = self._count
        while left and not self._has_come_to_rest():
            try:
                found = self._done.get(timeout=self._patience())
            except Empty:
                break
            if isinstance(found, _Stopped):
                continue
            if isinstance(found, BaseException):
                raise found
            left -= 1
            if found is not None:
                yield found
        if self._over.is_set():
            yield from self._rest()

    def stop(self, drain_s: float) -> None:
        """Send nothing more; what is under way has so many seconds. From any thread."""
        with self._counting:
            if not self._over.is_set():
                self._stopped = time.perf_counter()
            self._over.set()
            self._until = time.perf_counter() + drain_s
        self._done.put(_Stopped())  # wakes whoever waits for a sample

    def end(self) -> None:
        """Send nothing more, and wait a moment for what is under way."""
        self._over.set()
        deadline = self._until or time.perf_counter() + FAREWELL_S
        for client in tuple(self._clients):
            client.join(max(0.0, deadline - time.perf_counter()))

    def _has_come_to_rest(self) -> bool:
        with self._counting:
            return self._until is not None and not self._under_way and self._done.empty()

    def _patience(self) -> float | None:
        return None if self._until is None else max(0.0, self._until - time.perf_counter())

    def _rest(self) -> Iterator[LatencySample]:
        """What is there to be taken still, and all that was due and is not answered by now."""
        with self._turn, self._counting:  # so that each request is either done or under way
            found = list(self._left_over())
            sent = dict(self._under_way)
            upcoming = range(self._next, self._count) if self._open else ()
            unsent = {index: self._began + self._times[index] for index in upcoming}
        yield from found
        failure = Failure(UNFINISHED, "not answered when the probe was stopped")
        for index, due in sorted({**sent, **unsent}.items()):
            if index >= self._load.warmup and (index in sent or due <= self._stopped):
                attempts = 1 if index in sent else 0
                yield self._sample(index, due, due, Answer(failure=failure, attempts=attempts))

    def _left_over(self) -> Iterator[LatencySample]:
        while not self._done.empty():
            found = self._done.get()
            if isinstance(found, BaseException):
                raise found
            if isinstance(found, LatencySample):
                yield found

    def _add_client(self) -> None:
        client = threading.Thread(target=self._serve, daemon=True)
        with self._counting:
            self._free += 1
            self._clients.append(client)
        client.start()

    def _serve(self) -> None:
        STATED.set(True)
        try:
            while (taken := self._take()) is not None:
                index, due = taken
                sample = self._send(index, due)
                with self._counting:
                    self._free += 1
                    del self._under_way[index]
                    self._done.put(self._reported(index, sample))
        except BaseException as error:  # whoever reads the samples must hear of it
            self._done.put(error)

    def _reported(self, index: int, sample: LatencySample) -> LatencySample | None:
        """The sample, with what warm-up requests have cost until now; None for one of those."""
        if index < self._load.warmup:
            if sample.cost is not None and 0 <= sample.cost < inf:
                self._warmup_cost += sample.cost
            return None
        cost, self._warmup_cost = self._warmup_cost, 0.0
        return replace(sample, warmup_cost=cost) if cost else sample

    def _take(self) -> tuple[int, float] | None:
        """The next request and when it is due on the performance clock; None when there is none."""
        with self._turn:
            if self._over.is_set() or self._next == self._count:
                return None
            if self._tab is not None and self._tab.is_spent:
                self.stop(UNHURRIED_S)
                return None
            index, self._next = self._next, self._next + 1
            self._ready_a_successor()
            due = self._wait_for(index)
            if index == self._load.warmup:
                self._origin = due
            with self._counting:
                if self._over.is_set():
                    self._next = index
                    return None
                self._under_way[index] = due
            return index, due

    def _ready_a_successor(self) -> None:
        """Before waiting, so that the next arrival finds a client however long this request takes."""
        with self._counting:
            self._free -= 1
            needed = self._free == 0 and len(self._clients) < self._most
        if needed:
            self._add_client()

    def _wait_for(self, index: int) -> float:
        if not self._open:
            return time.perf_counter()
        due = self._began + self._times[index]
        self._over.wait(max(0.0, due - time.perf_counter()))
        return due

    def _send(self, index: int, due: float) -> LatencySample:
        sent = time.perf_counter()
        in_time = sent - due <= PATIENCE_S
        answer = self._answer(self._query(index)) if in_time else self._saturated()
        if self._tab is not None and in_time:
            self._tab.add(max(1, answer.attempts), answer.cost or 0.0)
        return self._sample(index, due, sent, answer)

    def _query(self, index: int) -> Query:
        """Warm-up requests take the queries from the first, over and over."""
        warmup = self._load.warmup
        return self._queries[index % len(self._queries) if index < warmup else index - warmup]

    def _sample(self, index: int, due: float, sent: float, answer: Answer) -> LatencySample:
        return LatencySample(
            config_id=self._config_id,
            query_id=self._query(index).query_id,
            latency_ms=max(0.0, 1000 * (time.perf_counter() - due) - answer.held_ms),
            scheduled_s=due - self._origin,
            sent_s=sent - self._origin + answer.held_ms / 1000,
            cost=answer.cost,
            breakdown_ms=answer.breakdown_ms,
            failure=answer.failure,
            attempts=answer.attempts,
            held_ms=answer.held_ms,
        )

    def _answer(self, query: Query) -> Answer:
        try:
            return self._ask(query)
        except Exception as error:
            described = describe_error(error)
            reason = "timeout" if isinstance(error, TimeoutError) else described["type"]
            return Answer(failure=Failure(reason, described["msg"], described["hint"]))

    def _saturated(self) -> Answer:
        message = (
            f"not sent: {self._most} requests were under way for {PATIENCE_S:g} s after it was due"
        )
        failure = Failure("saturated", message, "The target can't keep up with this rate.")
        return Answer(failure=failure, attempts=0)
