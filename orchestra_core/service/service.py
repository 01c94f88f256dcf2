"""The service itself, without HTTP: what each route does."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from orchestra_core.errors import RunNotFound, nearest
from orchestra_core.journal.events import now
from orchestra_core.journal.reporting import build_report
from orchestra_core.journal.state import RunState
from orchestra_core.names import check_name, make_run_id
from orchestra_core.report import Report
from orchestra_core.service.asking import UNTIL
from orchestra_core.service.errors import (
    ArtifactNotFound,
    HomeNotWritable,
    KeyReused,
    RunNotActive,
    RunNotBegun,
    RunNotResumable,
    ServiceError,
    damaged,
    unreadable,
)
from orchestra_core.service.following import Follower, Followers
from orchestra_core.service.listing import Listing
from orchestra_core.service.models import RunBody
from orchestra_core.service.options import ServiceOptions
from orchestra_core.service.orders import Order, OrderBook, body_hash, request_hash
from orchestra_core.service.pool import Pool, going_on, recover
from orchestra_core.service.processes import Desk
from orchestra_core.service.standing import Standing
from orchestra_core.service.streams import Streams
from orchestra_core.service.views import artifacts_of, status_view

LASTING = frozenset({"queued", "starting", "running", "interrupted", "completed"})
"""The same request again leads to a run in one of these states."""
RESUMABLE = frozenset({"interrupted", "cancelled", "failed", "early_stopped"})
PLUGIN_SECONDS = 30.0
_ASK_STATUS = "Ask for its status."


class Service:
    """One home folder's runs, for everybody who asks."""

    def __init__(self, options: ServiceOptions) -> None:
        self.options = options
        self.home = options.home
        self.followers = Followers(options.home)
        self.book = OrderBook(options.home)
        self.pool = Pool(options, self.book, self.followers)
        self.desk = Desk(options)
        self.listing = Listing(options.home, self.pool)
        self.streams = Streams(self.followers, self.pool.standing)
        self._changing = asyncio.Lock()
        self._listing = asyncio.Lock()
        self._plugins: tuple[float, list[Any]] | None = None
        self._own: dict[str, Any] = {}
        self._statuses: dict[str, tuple[Standing, bytes]] = {}

    async def open(self) -> None:
        """Find the runs of an earlier service again. Raises StorageError."""
        await recover(self.pool, await asyncio.to_thread(self.book.load))

    def check_home(self) -> None:
        """Raises HomeNotWritable."""
        folder = next(p for p in (self.home.reports, *self.home.reports.parents) if p.exists())
        if not os.access(folder, os.W_OK | os.X_OK):
            raise HomeNotWritable("the home folder cannot be written")

    async def close(self) -> None:
        """Stop what runs, with its reports."""
        await self.pool.close()

    async def plan(self, body: RunBody) -> dict[str, Any]:
        """What the desk answers. Raises Busy, DeskFailed."""
        return await self.desk.plan(body)

    async def own(self) -> dict[str, Any]:
        """The service's own experiment, for the form; asked once, and again after an error."""
        if "ok" not in self._own:
            try:
                self._own = await self.desk.own()
            except ServiceError as error:
                return {"error": error.as_payload()}
        return self._own

    async def plugins(self) -> list[Any]:
        """What is installed; asked once every `PLUGIN_SECONDS`, however many want to know.

        Raises Busy, DeskFailed.
        """
        async with self._listing:
            if self._plugins is None or time.monotonic() - self._plugins[0] > PLUGIN_SECONDS:
                self._plugins = time.monotonic(), await self.desk.plugins()
            return self._plugins[1]

    async def accept(
        self, body: RunBody, key: str | None, planned: Mapping[str, Any]
    ) -> tuple[Order, bool]:
        """The order for a planned request, and whether it was there before. Raises QueueFull."""
        plan_hash, keys = planned["plan_hash"], {key: body_hash(body)} if key else {}
        async with self._changing:
            known = await self.by_key(key, body) or (
                None if body.again else await self._same(body, plan_hash)
            )
            if known is not None:
                if key is not None and key not in known.keys:
                    kept = known.with_key(key, body_hash(body))
                    known = await self.pool.update(known, keys=kept.keys)
                return known, True
            self.pool.check_room()
            experiment = planned["plan"]["experiment"]
            order = Order(
                run_id=make_run_id(experiment["name"]),
                name=experiment["name"],
                created_at=now(),
                mode=body.mode,
                until=UNTIL[body.mode],
                request=request_hash(body),
                plan_hash=plan_hash,
                requests=planned["requests"],
                keys=keys,
            )
            await asyncio.to_thread(self.book.add, order, body, experiment)
            self.pool.enqueue(order)
        return order, False

    def check_room(self, body: RunBody) -> None:
        """Spares a plan that could not be carried out. Raises QueueFull, unless it may be known."""
        if body.again or not self.pool.orders.of_request(request_hash(body)):
            self.pool.check_room()

    async def by_key(self, key: str | None, body: RunBody) -> Order | None:
        """The order that came with an Idempotency-Key. Raises KeyReused when it was another one."""
        if key is None:
            return None
        order = next(iter(await self.pool.present([self.pool.orders.with_key(key)])), None)
        if order is None:
            return None
        if order.keys[key] != body_hash(body):
            raise KeyReused(
                "this Idempotency-Key came with another request before",
                hint="Use a new key for a new request.",
                details={"run_id": order.run_id},
            )
        return order

    async def cancel(self, run_id: str) -> None:
        """End a queued or running run. Raises RunNotFound, RunNotActive, StorageError."""
        async with self._changing:
            standing = self.pool.standing(await self.follower(run_id))
            order, told = standing.order, f"the run is {standing.status}"
            if order is None:
                raise RunNotActive(
                    "there is nothing to cancel: the run was not started by this service",
                    hint="End it where it was started.",
                )
            if standing.status not in {"queued", "starting", "running"} or not standing.goes_on:
                told += "" if standing.status != "running" else " on another machine"
                raise RunNotActive(f"there is nothing to cancel: {told}", hint=_ASK_STATUS)
            await self.pool.cancel(order)

    async def resume(self, run_id: str) -> None:
        """Go on with an interrupted run.

        Raises RunNotFound, RunNotResumable, QueueFull, RunUnreadable where its beginning is lost.
        """
        async with self._changing:
            follower = await self.follower(run_id)
            standing = self.pool.standing(follower)
            if standing.order is None:
                raise RunNotResumable(
                    "there is nothing to resume: the run was not started by this service",
                    hint=f"Go on with it by hand: orchestra resume {run_id}",
                )
            if standing.status not in RESUMABLE:
                told = f"there is nothing to resume: the run is {standing.status}"
                raise RunNotResumable(told, hint=_ASK_STATUS)
            if follower.fold.exists and not follower.fold.begun:
                raise damaged(run_id, follower.lost)
            self.pool.check_room()
            self.pool.enqueue(await self.pool.update(standing.order, **going_on(follower)))

    async def follower(self, run_id: str) -> Follower:
        """A run's follower, up to date. Raises InvalidName, RunNotFound, StorageError."""
        follower = await self.followers.of(check_name(run_id, "run id"))
        if not follower.fold.exists and not await self.pool.present([self.pool.orders.get(run_id)]):
            known = await asyncio.to_thread(self.home.run_ids)
            hint = nearest(run_id, known) or "There are no runs yet: POST /orchestrate/run"
            raise RunNotFound(f"there is no run '{run_id}'", hint=hint)
        return follower

    async def standing(self, run_id: str) -> Standing:
        """Where a run stands. Raises InvalidName, RunNotFound, StorageError."""
        return self.pool.standing(await self.follower(run_id))

    async def status(self, run_id: str) -> bytes:
        """The run's status as JSON; made again only when something changed."""
        follower = await self.follower(run_id)
        standing = self.pool.standing(follower)
        known = self._statuses.get(run_id)
        if known is None or known[0] != standing:
            content = status_view(follower, standing)
            known = standing, json.dumps(content, separators=(",", ":")).encode()
            if len(self._statuses) > 500:
                self._statuses.clear()
            self._statuses[run_id] = known
        return known[1]

    async def report(self, run_id: str) -> dict[str, Any]:
        """The report, and where its files are. Raises RunNotFound, RunNotBegun, RunUnreadable."""
        follower = await self._begun(run_id)
        if follower.lost:
            raise damaged(run_id, follower.lost)
        files = [
            {"path": path, "url": f"/orchestrate/artifacts/{run_id}/{path}", "sha256": sha256}
            for path, sha256 in artifacts_of(self.home, run_id, follower.state)
        ]
        report = report_of(follower.state).model_dump(mode="json")
        return {"report": report, "artifacts": files}

    async def artifact(self, run_id: str, path: str) -> Path:
        """A file of the run, by its path relative to the home folder.

        Only what the journal names is found, wherever a path may lead. Raises ArtifactNotFound.
        """
        follower = await self._begun(run_id)
        known = {name for name, _ in artifacts_of(self.home, run_id, follower.state)}
        root = self.home.root.resolve()
        found = (root / path).resolve() if path in known else root
        if not found.is_relative_to(root) or not found.is_file():
            raise ArtifactNotFound("the run has no such file", hint="Its report names them all.")
        return found

    async def _begun(self, run_id: str) -> Follower:
        follower = await self.follower(run_id)
        if not follower.fold.exists:
            raise RunNotBegun(f"the run is {self.pool.standing(follower).status}", hint=_ASK_STATUS)
        return follower

    async def _same(self, body: RunBody, plan_hash: str) -> Order | None:
        for order in await self.pool.present(self.pool.orders.of_request(request_hash(body))):
            standing = self.pool.standing(await self.followers.of(order.run_id))
            if order.plan_hash == plan_hash and standing.status in LASTING:
                return order
        return None


def report_of(state: RunState) -> Report:
    """The report of a fold. Raises RunNotFound when it has no beginning, RunUnreadable."""
    try:
        return build_report(state)
    except ValidationError as error:
        raise unreadable(state.run_id) from error
