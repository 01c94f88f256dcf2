"""A small search service on loopback: `python -m benchmarks.workers.http_target [PER_SECOND WAITING]`.

Prints its port, then serves. `POST /api/query` takes 8 ms, every tenth request 30 ms.
`GET /stall?after=S&seconds=T`: it answers nothing for T seconds, once, from S seconds after the next
query on. With PER_SECOND and WAITING, it answers one query at a time instead, so many per second at the
most, and 503 to whoever finds so many waiting.
"""

from __future__ import annotations

import itertools
import json
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

FAST_S, SLOW_S = 0.008, 0.030
GOOD = json.dumps({"items": [{"doc_id": "d1", "score": 1.0}]}).encode()


class Stalling:
    """As many queries at once as there are; silent when it was told to be."""

    def __init__(self) -> None:
        self.counter = itertools.count()
        self.wished: tuple[float, float] | None = None
        self.silence = (0.0, 0.0)

    def __call__(self) -> bool:
        """Take the time of a query; whether it is answered."""
        if self.wished is not None:
            (after, seconds), self.wished = self.wished, None
            begins = time.monotonic() + after
            self.silence = (begins, begins + seconds)
        time.sleep(SLOW_S if next(self.counter) % 10 == 0 else FAST_S)
        begins, ends = self.silence
        now = time.monotonic()
        if begins <= now < ends:
            time.sleep(ends - now)
        return True


class Bounded:
    """One query at a time; who finds too many waiting is sent away."""

    def __init__(self, per_second: float, waiting: int) -> None:
        self.seconds = 1 / per_second
        self.places, self.desk = threading.Semaphore(waiting), threading.Lock()

    def __call__(self) -> bool:
        """Take the time of a query; whether it is answered."""
        if not self.places.acquire(blocking=False):
            return False
        with self.desk:
            time.sleep(self.seconds)
        self.places.release()
        return True


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    query: Callable[[], bool]

    def do_GET(self) -> None:
        """Arrange for a stall."""
        wanted = parse_qs(urlsplit(self.path).query)
        if isinstance(self.query, Stalling) and wanted:
            self.query.wished = (float(wanted["after"][0]), float(wanted["seconds"][0]))
        self._answer(200, b"{}")

    def do_POST(self) -> None:
        """A query."""
        self.rfile.read(int(self.headers["Content-Length"]))
        answered = self.query()
        self._answer(200 if answered else 503, GOOD if answered else b"")

    def log_message(self, *_: object) -> None:
        """Nothing is logged."""

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()


class Server(ThreadingHTTPServer):
    request_queue_size = 512
    daemon_threads = True


if __name__ == "__main__":
    limits = sys.argv[1:]
    kind = Bounded(float(limits[0]), int(limits[1])) if limits else Stalling()
    Handler.query = staticmethod(kind)
    server = Server(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()
