"""A real server on loopback whose every answer a test decides, and doors to it."""

import json
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from orchestra_core.experiment import Experiment
from orchestra_core.outbound.opening import open_door


@dataclass
class Asked:
    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Server:
    """`answer` gets what was asked and the handler, to write to `handler.wfile` as it likes."""

    answer: Callable
    asked: list[Asked] = field(default_factory=list)
    port: int = 0
    connections: int = 0

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"


def reply(status=200, body=b'{"ok": true}', **headers):
    """An `answer` that is always the same."""

    def answer(_asked, handler):
        respond(handler, status, body, **headers)

    return answer


GOOD = reply()


def until(holds, seconds=30):
    """Wait for what another thread does."""
    ends = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.002)


def in_turn(*answers):
    """An `answer` per request; the last one for all that follow."""
    left = list(answers)
    lock = threading.Lock()

    def answer(asked, handler):
        with lock:
            one = left.pop(0) if len(left) > 1 else left[0]
        one(asked, handler)

    return answer


def respond(handler, status, body, **headers):
    handler.send_response(status)
    handler.send_header("Content-Length", str(len(body)))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def setup(self):
        self.server.told.connections += 1
        super().setup()

    def handle(self):
        try:
            super().handle()
        except OSError:  # the client hung up, as some tests want it to
            self.close_connection = True

    def _any(self):
        length = int(self.headers.get("Content-Length") or 0)
        asked = Asked(self.command, self.path, dict(self.headers), self.rfile.read(length))
        told = self.server.told
        told.asked.append(asked)
        told.answer(asked, self)
        self.wfile.flush()

    def __getattr__(self, name):
        if name.startswith("do_"):
            return self._any
        raise AttributeError(name)

    def finish(self):
        with suppress(OSError):
            super().finish()

    def log_message(self, *_):
        pass


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 256

    def handle_error(self, *_):
        pass


@contextmanager
def running(answer, told=None):
    listener = _Listener(("127.0.0.1", 0), Handler)
    listener.told = told or Server(answer)
    listener.told.port = listener.server_address[1]
    thread = threading.Thread(target=lambda: listener.serve_forever(0.02), daemon=True)
    thread.start()
    try:
        yield listener.told
    finally:
        listener.shutdown()
        listener.server_close()
        thread.join()


@pytest.fixture
def serve():
    """`serve(answer)` starts a server; all end with the test."""
    with ExitStack() as stack:
        yield lambda answer=GOOD: stack.enter_context(running(answer))


@dataclass
class Journal:
    """What a door recorded."""

    events: list = field(default_factory=list)

    def emit(self, event_type, payload):
        json.dumps(payload, allow_nan=False)  # what the journal demands
        self.events.append((event_type, payload))

    def of(self, event_type):
        return [payload for kind, payload in self.events if kind == event_type]


@pytest.fixture
def journal():
    return Journal()


@pytest.fixture
def opened(journal):
    """`opened(base_url, key=value, …)` gives a door; keys of `runner`, or `open_door`'s own."""
    doors = []

    def make(base_url=None, *, limits=None, environ=None, resolve=None, sizes=None, **keys):
        optional = {name: keys.pop(name) for name in ("left_s", "may_send") if name in keys}
        runner = {"base_url": base_url, "rate_limit_per_sec": 0.0, "backoff_s": 0.01, "timeout_s": 5.0}
        experiment = Experiment.model_validate(
            {"space": {"a": (1,)}, "runner": {**runner, **keys}, "limits": limits or {}}
        )
        door = open_door(
            experiment,
            emit=journal.emit,
            environ=environ or {},
            resolve=resolve,
            sizes=sizes,
            **optional,
        )
        doors.append(door)
        return door

    yield make
    for door in doors:
        door.close()
