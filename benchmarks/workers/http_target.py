"""A small server on loopback: `python -m benchmarks.workers.http_target`; prints its port, then serves.

`/ask` takes 8 ms, every tenth request 30 ms. `/stall?after=S&seconds=T` makes it answer nothing for T
seconds, S seconds from then, once.
"""

from __future__ import annotations

import itertools
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

FAST_S, SLOW_S = 0.008, 0.030


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1
    counter = itertools.count()
    silence = (0.0, 0.0)

    def do_GET(self) -> None:
        """Answer, or arrange for a stall."""
        url = urlsplit(self.path)
        if url.path == "/stall":
            wanted = {name: float(values[0]) for name, values in parse_qs(url.query).items()}
            begins = time.monotonic() + wanted["after"]
            Handler.silence = (begins, begins + wanted["seconds"])
        else:
            self._serve()
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Nothing is logged."""

    def _serve(self) -> None:
        time.sleep(SLOW_S if next(self.counter) % 10 == 0 else FAST_S)
        begins, ends = Handler.silence
        now = time.monotonic()
        if begins <= now < ends:
            time.sleep(ends - now)


class Server(ThreadingHTTPServer):
    request_queue_size = 512
    daemon_threads = True


if __name__ == "__main__":
    server = Server(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()
