"""Orders: what the service was asked for, one folder per run, so that a restart finds them.

`reports/service/<run_id>/` holds `order.json`, `body.json` (the request), `experiment.json` (complete,
what the worker is given) and `output.log` (what the worker printed). An order holds no fact of the run:
that is the journal's.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from orchestra_core.artifacts import Home, json_bytes, remove, write_atomic
from orchestra_core.journal.lock import RunLock
from orchestra_core.journal.log import JournalReader
from orchestra_core.plan import StageName, sha256_of
from orchestra_core.service.models import Mode, RunBody

_LOG = logging.getLogger("orchestra.service")
LOG_TAIL = 65_536
MOST_KEYS = 1000


class Order(BaseModel):
    """One accepted request for a run."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    run_id: str
    name: str
    """The experiment's."""
    created_at: str
    """ISO 8601, UTC."""
    mode: Mode
    until: StageName | None
    request: str
    """`request_hash` of the body; with `plan_hash`, equal for the same request."""
    plan_hash: str
    requests: int
    keys: dict[str, str] = {}
    """Idempotency-Key → `body_hash` of the body that it came with; the last `MOST_KEYS`."""
    resumes: int = 0
    """As often as this the run is to be gone on with: its journal counts how often it was."""
    cancelled_at: str | None = None
    """When the user asked for its end."""
    refused: dict[str, Any] | None = None
    """`type, msg, hint, details` when the last worker could not begin, or go on."""

    def with_key(self, key: str, body: str) -> Order:
        """This order, which another Idempotency-Key leads to from now on."""
        keys = list({**self.keys, key: body}.items())[-MOST_KEYS:]
        return self.model_copy(update={"keys": dict(keys)})


class Orders:
    """The orders in memory, found by run, by Idempotency-Key and by request. On the event loop."""

    def __init__(self) -> None:
        self._by_run: dict[str, Order] = {}
        self._by_key: dict[str, str] = {}
        self._by_request: dict[str, dict[str, None]] = {}

    def put(self, order: Order) -> None:
        """Take in a new order, or a changed one."""
        self._by_run[order.run_id] = order
        self._by_key.update(dict.fromkeys(order.keys, order.run_id))
        self._by_request.setdefault(order.request, {})[order.run_id] = None

    def drop(self, run_id: str) -> None:
        """Forget one; nothing when it is not known."""
        order = self._by_run.pop(run_id, None)
        if order is None:
            return
        for key in order.keys:
            self._by_key.pop(key, None)
        same = self._by_request[order.request]
        same.pop(run_id, None)
        if not same:
            del self._by_request[order.request]

    def get(self, run_id: str) -> Order | None:
        """A run's order."""
        return self._by_run.get(run_id)

    def with_key(self, key: str) -> Order | None:
        """The order that an Idempotency-Key leads to."""
        return self._by_run.get(self._by_key.get(key, ""))

    def of_request(self, request: str) -> list[Order]:
        """Those that came with the same request, the newest first."""
        return [self._by_run[run_id] for run_id in reversed(self._by_request.get(request, {}))]

    def __iter__(self) -> Iterator[Order]:
        """All, the oldest first."""
        return iter(tuple(self._by_run.values()))


@dataclass(frozen=True)
class OrderBook:
    """The orders of one home folder. Every method touches the disk: call it off the event loop."""

    home: Home

    def add(self, order: Order, body: RunBody, experiment: Mapping[str, Any]) -> None:
        """Write a new order; what it rests on first. Raises StorageError."""
        write_atomic(self.experiment(order.run_id), json_bytes(experiment))
        asked = body.model_dump(mode="json")
        write_atomic(self.home.order(order.run_id) / "body.json", json_bytes(asked))
        self.save(order)

    def save(self, order: Order) -> None:
        """Write an order. Raises StorageError."""
        write_atomic(self.home.order(order.run_id) / "order.json", json_bytes(order.model_dump()))

    def experiment(self, run_id: str) -> Path:
        """The experiment that the worker is given."""
        return self.home.order(run_id) / "experiment.json"

    def output(self, run_id: str) -> Path:
        """What the worker printed."""
        return self.home.order(run_id) / "output.log"

    def clear_torn(self, run_id: str) -> None:
        """Remove the journal of a worker that was killed while it wrote the first line: to a new one it
        would be another run. One with any whole line, good or bad, is never removed.

        Raises StorageError, RunInUse when a worker is there after all.
        """
        path = self.home.journal(run_id)
        if not path.exists():
            return
        lock = RunLock(self.home.lock(run_id))
        try:
            reader = JournalReader(path)
            next(reader.lines(), None)
            if not reader.position:
                remove(path)
        finally:
            lock.release()

    def load(self) -> list[Order]:
        """All orders, the oldest first; one that cannot be read is told in the log and left out."""
        return sorted(self._readable(), key=lambda order: (order.created_at, order.run_id))

    def refusal(self, run_id: str, code: int) -> dict[str, Any]:
        """Why a worker ended before its run began, from what it printed."""
        try:
            output = self.output(run_id).read_bytes()[-LOG_TAIL:].decode(errors="replace")
        except OSError:
            output = ""
        with_error = output[output.find("{") :] if "{" in output else "{}"
        try:
            error = json.loads(with_error)["error"]
            return {key: error[key] for key in ("type", "msg", "hint", "details")}
        except (ValueError, KeyError, TypeError):
            last = (output.strip().splitlines() or [""])[-1]
            told = f"the worker ended with code {code}: {last}".rstrip(": ")
            return {"type": "worker", "msg": told, "hint": "Ask again.", "details": {}}

    def _readable(self) -> Iterator[Order]:
        for path in (self.home.reports / "service").glob("*/order.json"):
            try:
                yield Order.model_validate_json(path.read_bytes())
            except (OSError, ValidationError) as error:
                _LOG.warning("order %s cannot be read: %s", path.parent.name, type(error).__name__)


def request_hash(body: RunBody) -> str:
    """Equal for two bodies that ask for the same; `again` does not make it another one."""
    return sha256_of(body.model_dump(mode="json", exclude={"again", "dry_run"}))


def body_hash(body: RunBody) -> str:
    """Equal for two equal bodies."""
    return sha256_of(body.model_dump(mode="json"))
