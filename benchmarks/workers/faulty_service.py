"""A service that misbehaves: `python -m benchmarks.workers.faulty_service SEED`; prints its port.

POST /api/query: 5% are 500, 1% never answer, 1% are garbage, 1% are cut off, and now and then a burst
of ten is 429 with `Retry-After: 1`. GET /seen tells when each POST came.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from random import Random

BURST, BURST_SHARE = 10, 0.004
STALL_S = 30.0


class Faults:
    """Which answer is next; one for all threads."""

    def __init__(self, seed: int) -> None:
        self.random, self.lock = Random(seed), threading.Lock()  # noqa: S311 - no secret
        self.times: list[float] = []
        self.burst = 0

    def next(self) -> str:
        with self.lock:
            self.times.append(time.monotonic())
            if self.burst:
                self.burst -= 1
                return "429"
            drawn = self.random.random()
            if drawn > 1 - BURST_SHARE:
                self.burst = BURST - 1
                return "429"
            for kind, share in (("500", 0.05), ("stall", 0.01), ("garbage", 0.01), ("cut", 0.01)):
                if drawn < share:
                    return kind
                drawn -= share
            return "well"


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    faults: Faults

    def do_POST(self) -> None:
        """Answer, or not."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        kind = self.faults.next()
        if kind == "stall":
            time.sleep(STALL_S)
            self.close_connection = True
            return
        items = [{"doc_id": f"{asked['question']}-{n}", "score": 1 / (1 + n)} for n in range(10)]
        body = b"<html>sorry" if kind == "garbage" else json.dumps({"items": items}).encode()
        headers = {"Retry-After": "1"} if kind == "429" else {}
        self._send(int(kind) if kind.isdigit() else 200, body, headers, cut=kind == "cut")

    def do_GET(self) -> None:
        """What was seen."""
        self._send(200, json.dumps({"times": self.faults.times}).encode(), {})

    def _send(self, status: int, body: bytes, headers: dict[str, str], *, cut: bool = False) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if cut else body)
        self.wfile.flush()
        self.close_connection = self.close_connection or cut

    def log_message(self, *_: object) -> None:
        """Nothing is logged."""


class Server(ThreadingHTTPServer):
    request_queue_size = 512
    daemon_threads = True


if __name__ == "__main__":
    Handler.faults = Faults(int(sys.argv[1]))
    server = Server(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()
