"""Orders: what the service was asked for, one folder per run, so that a restart finds them.

`reports/service/<run_id>/` holds `order.json`, `experiment.json` (complete, what the worker is given)
and `output.log` (what the worker printed). An order holds no fact of the run: that is the journal's.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from orchestra_core.artifacts import Home, json_bytes, write_atomic
from orchestra_core.plan import StageName, sha256_of
from orchestra_core.service.models import Mode, RunBody

_LOG = logging.getLogger("orchestra.service")
LOG_TAIL = 65_536


class Order(BaseModel):
    """One accepted request for a run."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    run_id: str
    created_at: str
    """ISO 8601, UTC."""
    mode: Mode
    until: StageName | None
    body: dict[str, Any]
    identity: str
    """Hash of body and plan: equal for the same request."""
    plan_hash: str
    requests: int
    key: str | None = None
    """The Idempotency-Key that it came with."""
    cancelled_at: str | None = None
    """When the user asked for its end."""
    refused: dict[str, Any] | None = None
    """`type, msg, hint, details` when the last worker could not begin, or go on."""


@dataclass(frozen=True)
class OrderBook:
    """The orders of one home folder. Every method touches the disk: call it off the event loop."""

    home: Home

    def add(self, order: Order, experiment: Mapping[str, Any]) -> None:
        """Write a new order; its experiment first. Raises StorageError."""
        write_atomic(self.experiment(order.run_id), json_bytes(experiment))
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


def identity_of(body: RunBody, plan_hash: str) -> str:
    """Equal for two requests that ask for the same; `again` does not make it another one."""
    asked = body.model_dump(mode="json", exclude={"again", "dry_run"})
    return sha256_of({"body": asked, "plan": plan_hash})


def body_hash(body: RunBody) -> str:
    """Equal for two equal bodies."""
    return hashlib.sha256(body.model_dump_json().encode()).hexdigest()
