"""The pool: a bounded queue of orders, and a bounded number of worker processes that carry them.

Workers outlive a service that is killed; the next one finds them by their journals and lets them be.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections import deque
from collections.abc import Coroutine, Iterable
from contextlib import suppress
from typing import Any

from orchestra_core.errors import UsageError
from orchestra_core.journal.events import now
from orchestra_core.journal.lock import is_locked
from orchestra_core.service.errors import QueueFull
from orchestra_core.service.following import Follower, Followers
from orchestra_core.service.options import ServiceOptions
from orchestra_core.service.orders import Order, OrderBook
from orchestra_core.service.processes import start_resumer, start_worker

_LOG = logging.getLogger("orchestra.service")
RETRY_AFTER = 30
ADOPTED_POLL_SECONDS = 1.0
GRACE_SECONDS = 20.0
"""What workers get to write their reports when the service is stopped."""


class Pool:
    """Which orders wait, and which run. On the event loop."""

    def __init__(self, options: ServiceOptions, book: OrderBook, followers: Followers) -> None:
        self.options = options
        self.book = book
        self.followers = followers
        self.orders: dict[str, Order] = {}
        self.waiting: deque[str] = deque()
        self.active: dict[str, asyncio.subprocess.Process] = {}
        self._starting: set[str] = set()
        self._resuming: set[str] = set()
        self._adopted: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    @property
    def running(self) -> frozenset[str]:
        """Runs that a process of this service, or of one before it, carries."""
        return frozenset(self.active) | self._starting | self._adopted

    def is_carried(self, run_id: str) -> bool:
        """Whether a process of this machine carries the run, whoever started it."""
        return is_locked(self.options.home.lock(run_id))

    def position(self, run_id: str) -> int | None:
        """A run's place in the queue, from 1."""
        return self.waiting.index(run_id) + 1 if run_id in self.waiting else None

    def check_room(self) -> None:
        """Raises QueueFull when no worker is free and no further order can wait."""
        if len(self.running) >= self.options.workers and len(self.waiting) >= self.options.queue:
            raise QueueFull(
                f"{len(self.running)} runs are running and {len(self.waiting)} are waiting",
                hint="Wait for one to end, or cancel one.",
                retry_after=RETRY_AFTER,
            )

    def enqueue(self, order: Order, *, resume: bool = False, always: bool = False) -> None:
        """Let an order wait for its turn, which may come at once. Raises QueueFull, unless `always`."""
        if not always:
            self.check_room()
        self.orders[order.run_id] = order
        if resume:
            self._resuming.add(order.run_id)
        self.waiting.append(order.run_id)
        self._fill()

    def adopt(self, order: Order) -> None:
        """Count a run that a process of an earlier service still carries."""
        self.orders[order.run_id] = order
        self._adopted.add(order.run_id)
        self._spawn(self._watch_adopted(order.run_id))

    async def cancel(self, order: Order) -> None:
        """Take an order from the queue, or interrupt its run. Raises StorageError."""
        order = await self._update(order, cancelled_at=now())
        if order.run_id in self.waiting:
            self.waiting.remove(order.run_id)
            self._resuming.discard(order.run_id)
        elif process := self.active.get(order.run_id):
            _signal(process.pid, signal.SIGINT)
        elif order.run_id in self._adopted:
            follower = await self.followers.of(order.run_id)
            if isinstance(pid := follower.state.owner.get("pid"), int) and self.is_carried(
                order.run_id
            ):
                _signal(pid, signal.SIGINT)

    async def close(self) -> None:
        """Start nothing more; interrupt the runs, and give them time for their reports."""
        self._closed = True
        processes = list(self.active.values())
        for process in processes:
            _signal(process.pid, signal.SIGINT)
        if processes:
            _LOG.info("waiting for %d runs to write their reports", len(processes))
            ended = asyncio.gather(*(process.wait() for process in processes))
            with suppress(TimeoutError):
                await asyncio.wait_for(ended, GRACE_SECONDS)
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _fill(self) -> None:
        while len(self.running) < self.options.workers and not self._closed:
            # One that is to be gone on with may still be writing its report.
            run_id = next((run_id for run_id in self.waiting if run_id not in self.running), None)
            if run_id is None:
                return
            self.waiting.remove(run_id)
            self._starting.add(run_id)
            resume = run_id in self._resuming
            self._resuming.discard(run_id)
            self._spawn(self._carry(self.orders[run_id], resume=resume))

    async def _carry(self, order: Order, *, resume: bool) -> None:
        start = start_resumer if resume else start_worker
        try:
            process = await start(self.options, self.book, order)
            self.active[order.run_id] = process
            self._starting.discard(order.run_id)
            if self.orders[order.run_id].cancelled_at:  # while it started
                _signal(process.pid, signal.SIGINT)
            code = await process.wait()
            await self._ended(order, code, resumed=resume)
        except Exception:
            _LOG.exception("the worker of %s", order.run_id)
        finally:
            self._starting.discard(order.run_id)
            self.active.pop(order.run_id, None)
            self._fill()

    async def _ended(self, order: Order, code: int, *, resumed: bool) -> None:
        """A worker that ended before it had begun, or gone on, leaves its reason with the order."""
        follower = await self.followers.of(order.run_id)
        order = self.orders[order.run_id]
        began = code != UsageError.exit_code if resumed else follower.exists
        if not began and not order.cancelled_at and not self._closed:
            refusal = await asyncio.to_thread(self.book.refusal, order.run_id, code)
            await self._update(order, refused=refusal)

    async def _update(self, order: Order, **changes: object) -> Order:
        order = order.model_copy(update=changes)
        self.orders[order.run_id] = order
        await asyncio.to_thread(self.book.save, order)
        return order

    async def _watch_adopted(self, run_id: str) -> None:
        while self.is_carried(run_id):
            await asyncio.sleep(ADOPTED_POLL_SECONDS)
        self._adopted.discard(run_id)
        self._fill()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def recover(pool: Pool, orders: Iterable[Order]) -> None:
    """After a restart: find the runs again. What waited waits; what was interrupted is gone on with
    when the service was told to.
    """
    for order in orders:
        pool.orders[order.run_id] = order
        follower = await pool.followers.of(order.run_id)
        if pool.is_carried(order.run_id):
            pool.adopt(order)
        elif not follower.exists:
            if order.refused is None and order.cancelled_at is None:
                pool.enqueue(order, always=True)
        elif pool.options.resume and _is_interrupted(order, follower):
            pool.enqueue(order, resume=True, always=True)


def _is_interrupted(order: Order, follower: Follower) -> bool:
    """Whether a run that nobody carries was ended by neither itself nor its user."""
    return follower.state.status in {"running", "cancelled"} and order.cancelled_at is None


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)
