"""How a runner asks the server of `workers.http_target`: `drive` over kept connections."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from http.client import HTTPConnection

from orchestra_core import Answer, LatencySample, Load, Query, drive


def stall(port: int, after: float, seconds: float) -> None:
    """Have the server answer nothing for a while, once."""
    _get(HTTPConnection("127.0.0.1", port), f"/stall?after={after}&seconds={seconds}")


def probe(port: int, load: Load, seconds: float) -> list[LatencySample]:
    """What a runner's `probe` does: `drive` with a function that asks once."""
    local = threading.local()

    def ask(_query: Query) -> Answer:
        if not hasattr(local, "connection"):
            local.connection = HTTPConnection("127.0.0.1", port, timeout=30)
        _get(local.connection, "/ask")
        return Answer()

    requests = round(load.rate * seconds) if load.mode == "open" else 1_000_000
    queries = [Query(str(index), "") for index in range(requests)]
    found: list[LatencySample] = []
    ends = time.monotonic() + seconds
    with closing(drive("c", queries, load, ask)) as samples:
        for sample in samples:
            found.append(sample)
            if load.mode == "closed" and time.monotonic() >= ends:
                break
    return found


def _get(connection: HTTPConnection, path: str) -> None:
    connection.request("GET", path)
    connection.getresponse().read()
