"""The list of runs: the index over their journals, and the orders that have no journal yet."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from orchestra_core.artifacts import Home
from orchestra_core.errors import OrchestraError
from orchestra_core.journal import memory
from orchestra_core.service.following import Follower
from orchestra_core.service.orders import Order
from orchestra_core.service.pool import Pool
from orchestra_core.service.standing import Fold, status_of
from orchestra_core.service.views import links_of

_KEPT = ("run_id", "name", "started_at", "ended_at", "dataset", "verdict", "winner", "published")
_MOST_ENTRIES = 1000


class Listing:
    """Lists the runs of one home folder, whoever started them."""

    def __init__(self, home: Home, pool: Pool) -> None:
        self.home = home
        self.pool = pool
        self._entries: dict[tuple[str, int], Mapping[str, Any]] = {}

    async def runs(self, limit: int, offset: int) -> dict[str, Any]:
        """The content of `answers.Runs`: the newest first."""
        entries = await asyncio.to_thread(memory.entries, self.home, self._entry)
        begun = {str(entry["run_id"]) for entry in entries}
        rows = [await self._row(entry) for entry in entries]
        orders = await self.pool.present(list(self.pool.orders))
        rows += [self._unbegun_row(order) for order in orders if order.run_id not in begun]
        rows.sort(
            key=lambda row: (row["started_at"] or row["queued_at"] or "", row["run_id"]), reverse=True
        )
        return {"runs": rows[offset : offset + limit], "total": len(rows)}

    def _entry(self, home: Home, run_id: str) -> Mapping[str, Any]:
        key = run_id, home.journal(run_id).stat().st_size
        if key not in self._entries:
            if len(self._entries) > _MOST_ENTRIES:
                self._entries.clear()
            self._entries[key] = memory.make_entry(home, run_id)
        return self._entries[key]

    async def _row(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        run_id = str(entry["run_id"])
        order, status = self.pool.orders.get(run_id), str(entry["status"])
        if status == "running" or self.pool.holds(run_id):
            status = await self._status(entry, order)
        return {
            **{key: entry[key] for key in _KEPT},
            "status": status,
            "queued_at": order.created_at if order else None,
            "links": links_of(run_id),
        }

    async def _status(self, entry: Mapping[str, Any], order: Order | None) -> str:
        """Of a run without an ending. Its journal is read again only where somebody writes to it."""
        run_id, place = str(entry["run_id"]), self.pool.place(str(entry["run_id"]))
        if place.goes_on:
            with suppress(OrchestraError):  # else what its entry says
                return self.pool.standing(await self.pool.followers.of(run_id)).status
        begun, exists = bool(entry["started_at"]), entry["journal_bytes"] > 0
        return status_of(Fold(exists, begun, entry["status"], 0), order, place)

    def _unbegun_row(self, order: Order) -> dict[str, Any]:
        follower = Follower(order.run_id, self.home.journal(order.run_id))
        nothing = dict.fromkeys(("started_at", "verdict", "winner"))
        return {
            **nothing,
            "run_id": order.run_id,
            "name": order.name,
            "ended_at": order.cancelled_at,
            "dataset": "",
            "published": False,
            "status": self.pool.standing(follower).status,
            "queued_at": order.created_at,
            "links": links_of(order.run_id),
        }
