"""A real service: `orchestra serve` as a process of its own, asked over HTTP."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from orchestra_core.journal.lock import holder_of

httpx = pytest.importorskip("httpx2")
pytest.importorskip("fastapi")

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
DATA = Path(__file__).parent / "data"
KEPT = {"ORCHESTRA_CACHE_DIR"}
TARGET = ("--plugins", "service_target,no:reporters")
ENDED = {"completed", "early_stopped", "failed", "cancelled", "refused", "interrupted"}


def clean_environment(**more: str) -> dict[str, str]:
    """This process's environment without what would change an experiment, and with the stub target."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("ORCHESTRA_") or k in KEPT}
    path = os.pathsep.join(filter(None, (str(DATA), kept.get("PYTHONPATH"))))
    return {**kept, "PYTHONPATH": path, **more}


@dataclass(frozen=True)
class Served:
    """A service that listens, and a client for it."""

    process: subprocess.Popen[str]
    url: str
    home: Path
    client: Any
    log: Path

    def get(self, path: str, **query: Any) -> Any:
        return self.client.get(path, params=query or None)

    def post(self, path: str, body: Any = None, **more: Any) -> Any:
        return self.client.post(path, json={} if body is None else body, **more)

    def run(self, **body: Any) -> dict[str, Any]:
        answer = self.post("/orchestrate/run", body)
        assert answer.status_code in {200, 202}, answer.text
        return answer.json()

    def status(self, run_id: str) -> dict[str, Any]:
        answer = self.get("/orchestrate/status", run_id=run_id)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def wait(self, run_id: str, *states: str, seconds: float = 60) -> dict[str, Any]:
        """The status once it is one of `states` (left out: any that is an end)."""
        deadline, wanted = time.monotonic() + seconds, set(states) or ENDED
        while time.monotonic() < deadline:
            found = self.status(run_id)
            if found["status"] in wanted:
                return found
            time.sleep(0.05)
        raise TimeoutError(f"{run_id} is {found['status']}, not {wanted}: {self.output(run_id)}")

    def output(self, run_id: str) -> str:
        path = self.home / "reports" / "service" / run_id / "output.log"
        return path.read_text() if path.exists() else ""

    def events(self, run_id: str, after: int = 0, **headers: str) -> list[dict[str, Any]]:
        """The run's stream to its end: its events, the last as {"end": True}."""
        found: list[dict[str, Any]] = []
        query = {"run_id": run_id, "after": after}
        with self.client.stream("GET", "/orchestrate/events", params=query, headers=headers) as answer:
            assert answer.status_code == 200
            assert answer.headers["content-type"].startswith("text/event-stream")
            name, number = "", ""
            for line in answer.iter_lines():
                key, _, value = line.partition(": ")
                if key == "event":
                    name = value
                elif key == "id":
                    number = value
                elif key == "data" and name == "end":
                    found.append({"end": True})
                elif key == "data":
                    found.append({**json.loads(value), "id": number})
        return found

    def journal(self, run_id: str) -> list[dict[str, Any]]:
        return read_journal(self.home, run_id)

    def worker(self, run_id: str) -> int | None:
        """The process that carries the run, once there is one."""
        return holder_of(self.home / "reports" / "events" / f"{run_id}.lock")

    def order(self, run_id: str, name: str = "order.json") -> Path:
        """A file of the run's order."""
        return self.home / "reports" / "service" / run_id / name

    def resume(self, run_id: str) -> Any:
        return self.post("/orchestrate/resume", {"run_id": run_id})

    def cancel(self, run_id: str) -> Any:
        return self.post("/orchestrate/cancel", {"run_id": run_id})

    def stop(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)
        self.process.wait(timeout=40)


def read_journal(home: Path, run_id: str) -> list[dict[str, Any]]:
    path = home / "reports" / "events" / f"{run_id}.jsonl"
    return [json.loads(line) for line in path.read_bytes().splitlines()] if path.exists() else []


def end_workers(home: Path) -> None:
    """End whatever still carries a run of this home."""
    for lock in (home / "reports" / "events").glob("*.lock"):
        if pid := holder_of(lock):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[..., Served]]:
    """`serve("--workers", "1", SERVICE_STUB_SECONDS="0.1")` starts one; all end with the test."""
    started: list[Served] = []
    home = tmp_path / "home"

    def start(*words: str, target: tuple[str, ...] = TARGET, **environ: str) -> Served:
        started.append(start_service(home, *words, target=target, **environ))
        return started[-1]

    yield start
    for served in started:
        end_service(served)


class Held:
    """Holds the runs of services that are started with `environ`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environ = {"SERVICE_STUB_HOLD": str(folder)}

    def __call__(self, what: str) -> None:
        (self.folder / what).touch()

    def pids(self, what: str) -> list[int]:
        """The processes that are held there."""
        return [int(file.suffix[1:]) for file in self.folder.glob(f"{what}.*")]

    def release(self) -> None:
        for file in self.folder.iterdir():
            file.unlink()


@pytest.fixture
def held(tmp_path: Path) -> Iterator[Held]:
    """`held("starting")`, "asking" or "probing" stops every run there until `held.release()`."""
    folder = tmp_path / "held"
    folder.mkdir()
    holding = Held(folder)
    yield holding
    holding.release()


def until(condition: Callable[[], Any], seconds: float = 60) -> Any:
    """What the condition gives, once that is something."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.02)
    raise TimeoutError("it did not come to that")


@pytest.fixture
def refused_to_serve(tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`refused_to_serve("--host", "0.0.0.0")` starts one that is expected to end at once."""

    def start(
        *words: str, home: Path | None = None, **environ: str
    ) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-P", "-m", "orchestra_core", "serve", *TARGET, *words]
        return subprocess.run(
            command,
            cwd=home or tmp_path,
            env=clean_environment(**environ),
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    return start


@pytest.fixture(scope="module")
def serve_module(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[..., Served]]:
    """As `serve`, for the tests of one module."""
    started: list[Served] = []
    home = tmp_path_factory.mktemp("served")

    def start(*words: str, target: tuple[str, ...] = TARGET, **environ: str) -> Served:
        started.append(start_service(home, *words, target=target, **environ))
        return started[-1]

    yield start
    for served in started:
        end_service(served)


@pytest.fixture(scope="module")
def served(serve_module: Callable[..., Served]) -> Served:
    """One service for a whole module."""
    return serve_module("--queue", "1000", "--workers", "2")


def start_service(home: Path, *words: str, target: tuple[str, ...] = TARGET, **environ: str) -> Served:
    home.mkdir(exist_ok=True)
    log = home / "serve.log"
    command = [sys.executable, "-P", "-m", "orchestra_core", "serve", "--port", "0", *target, *words]
    with log.open("a") as output:
        process = subprocess.Popen(
            command,
            cwd=home,
            env=clean_environment(**environ),
            stdout=subprocess.PIPE,
            stderr=output,
            text=True,
        )
    line = process.stdout.readline() if process.stdout else ""
    found = re.search(r"listens on (http://\S+)", line)
    if not found:
        process.kill()
        raise RuntimeError(f"the service did not start: {line}{log.read_text()}")
    client = httpx.Client(base_url=found[1], timeout=30)
    return Served(process, found[1], home, client, log)


def end_service(served: Served) -> None:
    served.client.close()
    if served.process.poll() is None:
        served.process.send_signal(signal.SIGTERM)
        try:
            served.process.wait(timeout=40)
        except subprocess.TimeoutExpired:
            served.process.kill()
    if served.process.stdout:
        served.process.stdout.close()
    end_workers(served.home)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """Debian's Chromium, headless."""
    playwright = pytest.importorskip("playwright.sync_api")
    if CHROMIUM is None:
        pytest.skip("no Chromium: apt-get install chromium")
    with playwright.sync_playwright() as driver:
        found = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield found
        found.close()


@pytest.fixture(scope="module")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    named = os.environ.get("SERVICE_SCREENSHOTS")
    folder = Path(named) if named else tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture
def open_page(browser: Any) -> Iterator[Callable[..., Any]]:
    """`open_page(width=360, scheme="dark")`: a page on which nothing may be logged, or go elsewhere."""
    contexts: list[Any] = []
    complaints: list[str] = []

    def open_(width: int = 1280, scheme: str = "light", *, expected: str = "nothing") -> Any:
        context = browser.new_context(
            viewport={"width": width, "height": 900}, color_scheme=scheme, reduced_motion="reduce"
        )
        contexts.append(context)
        page = context.new_page()
        page.set_default_timeout(90_000)
        page.on("console", lambda m: complaints.append(m.text) if expected not in m.text else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda r: complaints.append(r.url) if not is_own(r.url) else None)
        return page

    yield open_
    for context in contexts:
        context.close()
    assert complaints == []


def is_own(url: str) -> bool:
    return url.startswith(("http://127.0.0.1:", "data:", "file:"))
