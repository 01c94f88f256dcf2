"""The pool: a bounded queue of orders, and a bounded number of worker processes that carry them.

Workers outlive a service that is killed; the next one finds them by their journals and lets them be.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections import deque
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from typing import Any

from orchestra_core.errors import OrchestraError, RunNotFound, StorageError, describe_error
from orchestra_core.journal.events import now
from orchestra_core.journal.lock import holder_of, is_locked
from orchestra_core.service.errors import QueueFull
from orchestra_core.service.following import Follower, Followers
from orchestra_core.service.options import ServiceOptions
from orchestra_core.service.orders import Order, OrderBook, Orders
from orchestra_core.service.processes import start_resumer, start_worker
from orchestra_core.service.standing import Place, Standing, is_due, status_of

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
        self.orders = Orders()
        self.waiting: deque[str] = deque()
        self.active: dict[str, asyncio.subprocess.Process] = {}
        self._starting: set[str] = set()
        self._adopted: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._saving = asyncio.Lock()
        self._closed = False

    @property
    def running(self) -> frozenset[str]:
        """Runs that a process of this service, or of one before it, carries."""
        return frozenset(self.active) | self._starting | self._adopted

    def holds(self, run_id: str) -> bool:
        """Whether a run waits or runs here."""
        return run_id in self.waiting or run_id in self.running

    def standing(self, follower: Follower) -> Standing:
        """Where a run stands; its journal as last read."""
        order, place = self.orders.get(follower.run_id), self.place(follower.run_id)
        status = status_of(follower.fold, order, place)
        return Standing(status, place.position, place.goes_on, order, follower.version)

    def place(self, run_id: str) -> Place:
        """Whether a run waits, and whether anybody carries it."""
        position = self.waiting.index(run_id) + 1 if run_id in self.waiting else None
        return Place(position, run_id in self.running, is_locked(self.options.home.lock(run_id)))

    async def present(self, orders: Sequence[Order | None]) -> list[Order]:
        """Those that are here still: `orchestra gc` removes orders with their runs."""
        given = [order for order in orders if order is not None]
        idle = [order.run_id for order in given if not self.holds(order.run_id)]
        home = self.options.home
        gone = await asyncio.to_thread(lambda: [r for r in idle if not home.order(r).is_dir()])
        for run_id in gone:
            if not self.holds(run_id):
                self.orders.drop(run_id)
        return [order for order in given if order.run_id not in gone]

    def check_room(self) -> None:
        """Raises QueueFull when no worker is free and no further order can wait."""
        running, waiting = len(self.running), len(self.waiting)
        if running >= self.options.workers and waiting >= self.options.queue:
            raise QueueFull(
                f"the queue is full: {running} running, {waiting} waiting",
                hint="Wait for one to end, or cancel one.",
                retry_after=RETRY_AFTER,
            )

    def enqueue(self, order: Order) -> None:
        """Let an order wait for its turn, which may come at once; nothing when it is here already."""
        self.orders.put(order)
        if order.run_id not in self.waiting:
            self.waiting.append(order.run_id)
        self._fill()

    def adopt(self, order: Order) -> None:
        """Count a run that a process carries which this service did not start."""
        self.orders.put(order)
        if order.run_id not in self._adopted:
            self._adopted.add(order.run_id)
            self._spawn(self._watch_adopted(order.run_id))

    async def cancel(self, order: Order) -> None:
        """Take an order from the queue, or interrupt its run. Raises StorageError."""
        run_id = order.run_id
        if run_id in self.waiting:
            self.waiting.remove(run_id)
        process = self.active.get(run_id)  # one that becomes active from here on is told by _work
        pid = process.pid if process else holder_of(self.options.home.lock(run_id))
        try:
            await self.update(order, cancelled_at=now())
        finally:
            if pid is not None and (process is None or process.returncode is None):
                _signal(pid, signal.SIGTERM)

    async def update(self, order: Order, **changes: object) -> Order:
        """The order with changes, in memory and on disk. Raises StorageError."""
        order = order.model_copy(update=changes)
        self.orders.put(order)
        async with self._saving:  # the newest is written last
            await asyncio.to_thread(self.book.save, self._order(order.run_id))
        return order

    async def close(self) -> None:
        """Start nothing more; interrupt the runs, and give them time for their reports."""
        self._closed = True
        processes = list(self.active.values())
        for process in processes:
            _signal(process.pid, signal.SIGTERM)
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
            self._spawn(self._carry(run_id))

    async def _carry(self, run_id: str) -> None:
        try:
            await self._settle(run_id, await self._work(run_id))
        except Exception as error:
            _LOG.exception("the worker of %s", run_id)
            await self._give_up(run_id, error)
        finally:
            self._starting.discard(run_id)
            self.active.pop(run_id, None)
            self._fill()

    async def _work(self, run_id: str) -> int:
        """Start an order's process, and wait for its exit code. Raises StorageError, OSError."""
        follower = await self.followers.of(run_id)
        if is_locked(self.options.home.lock(run_id)):  # somebody else carries it: see _settle
            return 0
        exists = follower.fold.exists
        if not exists:
            await asyncio.to_thread(self.book.clear_torn, run_id)
        start = start_resumer if exists else start_worker
        process = await start(self.options, self.book, self._order(run_id))
        self.active[run_id] = process
        self._starting.discard(run_id)
        if self._order(run_id).cancelled_at:  # while it started
            _signal(process.pid, signal.SIGTERM)
        return await process.wait()

    async def _settle(self, run_id: str, code: int) -> None:
        """A worker that ended before it had begun, or gone on, leaves its reason with the order."""
        follower, order = await self.followers.of(run_id), self._order(run_id)
        if is_locked(self.options.home.lock(run_id)):
            self.adopt(order)
        elif is_due(order, follower.fold) and not self._closed:
            refusal = await asyncio.to_thread(self.book.refusal, run_id, code)
            await self.update(self._order(run_id), refused=refusal)

    async def _give_up(self, run_id: str, error: Exception) -> None:
        told = f"its process could not be started: {describe_error(error)['msg']}"
        refusal = {"type": "worker", "msg": told, "hint": "Ask again later.", "details": {}}
        with suppress(StorageError):  # in memory it stands
            await self.update(self._order(run_id), refused=refusal)

    def _order(self, run_id: str) -> Order:
        """The order of a run that this pool holds."""
        order = self.orders.get(run_id)
        if order is None:
            raise RunNotFound(f"the order of '{run_id}' is gone")
        return order

    async def _watch_adopted(self, run_id: str) -> None:
        while is_locked(self.options.home.lock(run_id)):
            await asyncio.sleep(ADOPTED_POLL_SECONDS)
        self._adopted.discard(run_id)
        with suppress(OrchestraError):
            follower, order = await self.followers.of(run_id), self.orders.get(run_id)
            if order is not None and is_due(order, follower.fold):  # its process died before it began
                self.enqueue(order)
        self._fill()

    def _spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def recover(pool: Pool, orders: Sequence[Order]) -> None:
    """After a restart: find the runs again. What waited waits; what was interrupted is gone on with
    when the service was told to.
    """
    for order in orders:
        pool.orders.put(order)
        if is_locked(pool.options.home.lock(order.run_id)):
            pool.adopt(order)
    for order in orders:  # once those that run are counted
        with suppress(OrchestraError):  # a journal that cannot be read stands for itself
            await _find_again(pool, order)


async def _find_again(pool: Pool, order: Order) -> None:
    follower = await pool.followers.of(order.run_id)
    if pool.holds(order.run_id):
        return
    if is_due(order, follower.fold):
        pool.enqueue(order)
    elif pool.options.resume and _is_interrupted(order, follower):
        pool.enqueue(await pool.update(order, **going_on(follower)))


def going_on(follower: Follower) -> dict[str, object]:
    """How an order changes when its run is to be gone on with."""
    resumes = follower.state.resumed + 1 if follower.fold.exists else 0  # else it begins
    return {"resumes": resumes, "cancelled_at": None, "refused": None}


def _is_interrupted(order: Order, follower: Follower) -> bool:
    """Whether a run that nobody carries was ended by neither itself nor its user."""
    ended = follower.state.status not in {"running", "cancelled"}
    return follower.fold.begun and not ended and order.cancelled_at is None


def _signal(pid: int, number: signal.Signals) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)
