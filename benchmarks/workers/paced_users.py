"""A locustfile: users who together ask at a constant rate. Run by Locust in an environment of its own.

Reads PACED_RATE (requests per second of all users), PACED_USERS and PACED_FILE; writes there, as JSON,
a pair of start (seconds) and response time (milliseconds) for every request. A failure ends it.
"""

from __future__ import annotations

import json
import os
from itertools import count
from pathlib import Path
from time import perf_counter
from typing import Any

import gevent
from locust import FastHttpUser, events, task

RATE, USERS = float(os.environ["PACED_RATE"]), int(os.environ["PACED_USERS"])
seen: list[tuple[float, float]] = []
places = count()


def next_in(due: float) -> float:
    return max(0.0, due - perf_counter())


class PacedUser(FastHttpUser):
    def on_start(self) -> None:
        """Locust starts all users at once; begun one after another, they ask one after another."""
        self.due = perf_counter() + next(places) / RATE
        gevent.sleep(next_in(self.due))

    def wait_time(self) -> float:
        """Locust's `constant_throughput` counts from a user's creation, so all would ask at once."""
        self.due += USERS / RATE
        return next_in(self.due)

    @task
    def ask(self) -> None:
        self.client.post("/api/query", json={"question": "how do stocks work?", "top_k": 10})


@events.request.add_listener
def keep(
    start_time: float, response_time: float, exception: BaseException | None = None, **_: Any
) -> None:
    if exception is not None:
        raise SystemExit(f"a request failed: {exception}")
    seen.append((start_time, response_time))


@events.quitting.add_listener
def write(**_: Any) -> None:
    Path(os.environ["PACED_FILE"]).write_text(json.dumps(seen), encoding="utf-8")
