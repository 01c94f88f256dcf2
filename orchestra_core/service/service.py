"""The service itself, without HTTP: what each route does."""

from __future__ import annotations

import asyncio
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from orchestra_core.errors import RunNotFound, nearest
from orchestra_core.journal import memory
from orchestra_core.journal.events import now
from orchestra_core.journal.reporting import build_report
from orchestra_core.journal.state import RunState
from orchestra_core.liveness import process_is_gone
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
    RunUnreadable,
    ServiceError,
)
from orchestra_core.service.following import Follower, Followers
from orchestra_core.service.models import RunBody
from orchestra_core.service.options import ServiceOptions
from orchestra_core.service.orders import Order, OrderBook, identity_of
from orchestra_core.service.pool import Pool, recover
from orchestra_core.service.processes import Desk
from orchestra_core.service.streams import Streams
from orchestra_core.service.views import artifacts_of, links_of, status_view

LASTING = frozenset({"queued", "starting", "running", "interrupted", "completed"})
"""The same request again leads to a run in one of these states."""


class Service:
    """One home folder's runs, for everybody who asks."""

    def __init__(self, options: ServiceOptions) -> None:
        self.options = options
        self.home = options.home
        self.followers = Followers(options.home)
        self.book = OrderBook(options.home)
        self.pool = Pool(options, self.book, self.followers)
        self.desk = Desk(options)
        self.streams = Streams(self.followers, self.goes_on)
        self._accepting = asyncio.Lock()
        self._own: dict[str, Any] = {}
        self._entries: dict[tuple[str, int], Mapping[str, Any]] = {}
        self._statuses: dict[str, tuple[tuple[object, ...], bytes]] = {}

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

    async def accept(
        self, body: RunBody, key: str | None, planned: Mapping[str, Any]
    ) -> tuple[Order, bool]:
        """The order for a planned request, and whether it was there before. Raises QueueFull."""
        identity = identity_of(body, planned["plan_hash"])
        async with self._accepting:
            known = self.by_key(key, body) or (None if body.again else await self._same(identity))
            if known is not None:
                return known, True
            self.pool.check_room()
            experiment = planned["plan"]["experiment"]
            order = Order(
                run_id=make_run_id(experiment["name"]),
                created_at=now(),
                mode=body.mode,
                until=UNTIL[body.mode],
                body=body.model_dump(mode="json"),
                identity=identity,
                plan_hash=planned["plan_hash"],
                requests=planned["requests"],
                key=key,
            )
            await asyncio.to_thread(self.book.add, order, experiment)
            self.pool.enqueue(order, always=True)
        return order, False

    def by_key(self, key: str | None, body: RunBody) -> Order | None:
        """The order that came with an Idempotency-Key. Raises KeyReused when it was another one."""
        if key is None:
            return None
        for order in self.pool.orders.values():
            if order.key == key:
                if order.body == body.model_dump(mode="json"):
                    return order
                raise KeyReused(
                    "this Idempotency-Key came with another request before",
                    hint="Use a new key for a new request.",
                    details={"run_id": order.run_id},
                )
        return None

    async def cancel(self, run_id: str) -> None:
        """End a queued or running run. Raises RunNotFound, RunNotActive, StorageError."""
        follower = await self.follower(run_id)
        order = self.pool.orders.get(run_id)
        status = self.state_of(follower)
        if order is None or status not in {"queued", "starting", "running"}:
            told = f"the run is {status}" if order else "the run was not started by this service"
            raise RunNotActive(f"there is nothing to cancel: {told}")
        await self.pool.cancel(order)

    async def resume(self, run_id: str) -> None:
        """Go on with an interrupted run. Raises RunNotFound, RunNotResumable, QueueFull."""
        follower = await self.follower(run_id)
        order = self.pool.orders.get(run_id)
        status = self.state_of(follower)
        if (
            order is None
            or status not in {"interrupted", "cancelled", "failed", "early_stopped"}
            or not follower.exists
        ):
            told = f"the run is {status}" if order else "the run was not started by this service"
            hint = "" if order else f"Go on with it by hand: orchestra resume {run_id}"
            raise RunNotResumable(f"there is nothing to resume: {told}", hint=hint)
        order = order.model_copy(update={"cancelled_at": None, "refused": None})
        await asyncio.to_thread(self.book.save, order)
        self.pool.enqueue(order, resume=True)

    async def follower(self, run_id: str) -> Follower:
        """A run's follower, up to date. Raises InvalidName, RunNotFound, StorageError."""
        follower = await self.followers.of(check_name(run_id, "run id"))
        if not follower.exists and not await self._is_expected(run_id):
            known = await asyncio.to_thread(self.home.run_ids)
            raise RunNotFound(f"there is no run '{run_id}'", hint=nearest(run_id, known))
        return follower

    def state_of(self, follower: Follower) -> str:
        """A run's state, one of `models.RunState`."""
        run_id, pool = follower.run_id, self.pool
        if run_id in pool.waiting:
            return "queued"
        if not follower.exists:
            order = pool.orders[run_id]
            if run_id in pool.running:
                return "starting"
            return "refused" if order.refused else "cancelled" if order.cancelled_at else "queued"
        if follower.state.status != "running" or run_id in pool.running:
            return follower.state.status
        return "interrupted" if process_is_gone(self.home, follower.state) else "running"

    def goes_on(self, follower: Follower) -> bool:
        """Whether more is to come in a run's journal."""
        run_id, pool = follower.run_id, self.pool
        if run_id in pool.running or run_id in pool.waiting:
            return True
        return pool.is_carried(run_id) if follower.exists else self.state_of(follower) == "queued"

    async def status(self, run_id: str) -> bytes:
        """The run's status as JSON; made again only when something changed."""
        follower = await self.follower(run_id)
        state, position = self.state_of(follower), self.pool.position(run_id)
        made_from = (follower.version, state, position)
        known = self._statuses.get(run_id)
        if known is None or known[0] != made_from:
            content = status_view(follower, self.pool.orders.get(run_id), state, position)
            known = made_from, json.dumps(content, separators=(",", ":")).encode()
            if len(self._statuses) > 500:
                self._statuses.clear()
            self._statuses[run_id] = known
        return known[1]

    async def runs(self, limit: int, offset: int) -> dict[str, Any]:
        """The index over runs, the newest first, with the orders that have no journal yet."""
        entries = await asyncio.to_thread(memory.entries, self.home, self._entry)
        begun = {str(entry["run_id"]) for entry in entries}
        rows = [self._row(entry) for entry in entries]
        for row in rows:
            if row["status"] == "running":
                row["status"] = self.state_of(await self.followers.of(row["run_id"]))
        waiting = [order for run_id, order in self.pool.orders.items() if run_id not in begun]
        rows += [self._waiting_row(order) for order in waiting]
        rows.sort(
            key=lambda row: (row["started_at"] or row["queued_at"] or "", row["run_id"]), reverse=True
        )
        return {"runs": rows[offset : offset + limit], "total": len(rows)}

    async def report(self, run_id: str) -> dict[str, Any]:
        """The report, and where its files are. Raises RunNotFound, RunNotBegun."""
        follower = await self._begun(run_id)
        files = [
            {"path": path, "url": f"/orchestrate/artifacts/{run_id}/{path}", "sha256": sha256}
            for path, sha256 in artifacts_of(self.home, follower.state)
        ]
        report = report_of(follower.state).model_dump(mode="json")
        return {"report": report, "artifacts": files}

    async def artifact(self, run_id: str, path: str) -> Path:
        """A file of the run, by its path relative to the home folder.

        Only what the journal names is found, wherever a path may lead. Raises ArtifactNotFound.
        """
        follower = await self._begun(run_id)
        known = {name for name, _ in artifacts_of(self.home, follower.state)}
        root = self.home.root.resolve()
        found = (root / path).resolve() if path in known else root
        if not found.is_relative_to(root) or not found.is_file():
            raise ArtifactNotFound("the run has no such file", hint="Its report names them all.")
        return found

    async def _begun(self, run_id: str) -> Follower:
        follower = await self.follower(run_id)
        if not follower.exists:
            raise RunNotBegun(f"the run is {self.state_of(follower)}", hint="Ask for its status.")
        return follower

    async def _is_expected(self, run_id: str) -> bool:
        """Whether a run without a journal is one to come; `orchestra gc` may have removed it."""
        if run_id not in self.pool.orders or run_id in self.pool.running or run_id in self.pool.waiting:
            return run_id in self.pool.orders
        if await asyncio.to_thread(self.home.order(run_id).is_dir):
            return True
        del self.pool.orders[run_id]
        return False

    async def _same(self, identity: str) -> Order | None:
        same = [order for order in self.pool.orders.values() if order.identity == identity]
        for order in reversed(same):
            if self.state_of(await self.followers.of(order.run_id)) in LASTING:
                return order
        return None

    def _entry(self, home: Any, run_id: str) -> Mapping[str, Any]:
        key = run_id, home.journal(run_id).stat().st_size
        if key not in self._entries:
            if len(self._entries) > 1000:
                self._entries.clear()
            self._entries[key] = memory.make_entry(home, run_id)
        return self._entries[key]

    def _row(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        run_id = str(entry["run_id"])
        order, status = self.pool.orders.get(run_id), str(entry["status"])
        if run_id in self.pool.waiting:
            status = "queued"
        kept = ("run_id", "name", "started_at", "ended_at", "dataset", "verdict", "winner", "published")
        return {
            **{key: entry[key] for key in kept},
            "status": status,
            "queued_at": order.created_at if order else None,
            "links": links_of(run_id),
        }

    def _waiting_row(self, order: Order) -> dict[str, Any]:
        follower = Follower(order.run_id, self.home.journal(order.run_id))
        nothing = dict.fromkeys(("started_at", "ended_at", "verdict", "winner"))
        name = re.sub(r"-\d{8}-\d{6}-[0-9a-f]{6}$", "", order.run_id)
        return {
            **nothing,
            "run_id": order.run_id,
            "name": name,
            "dataset": "",
            "published": False,
            "status": self.state_of(follower),
            "queued_at": order.created_at,
            "links": links_of(order.run_id),
        }


def report_of(state: RunState) -> Report:
    """The report of a fold. Raises RunNotFound when it has no beginning, RunUnreadable."""
    try:
        return build_report(state)
    except ValidationError as error:
        raise RunUnreadable(
            f"the journal of '{state.run_id}' holds what this version cannot read",
            hint="Another version of Orchestra wrote it; `orchestra events` prints it as it stands.",
        ) from error
