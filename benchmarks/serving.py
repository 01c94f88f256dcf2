"""A service as its own process, and the few calls that the benchmarks make of it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.processes import clean_environ

ENDED = frozenset({"completed", "failed", "cancelled", "early_stopped", "refused", "interrupted"})


@dataclass(frozen=True)
class Served:
    """A service that listens."""

    process: subprocess.Popen[str]
    port: int
    home: Path

    def get(self, path: str) -> Any:
        """The JSON at a path."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=60) as answer:
            return json.load(answer)

    def post(self, path: str, body: Any) -> Any:
        """What it answers to a JSON body."""
        request = urllib.request.Request(  # of this machine alone
            f"http://127.0.0.1:{self.port}{path}",
            json.dumps(body).encode(),
            {"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=120) as answer:  # noqa: S310 # of this machine
            return json.load(answer)

    def start(self, **body: Any) -> str:
        """A new run's id."""
        return str(self.post("/orchestrate/run", {**body, "again": True})["run_id"])

    def status(self, run_id: str) -> dict[str, Any]:
        """A run's status."""
        found: dict[str, Any] = self.get(f"/orchestrate/status?run_id={run_id}")
        return found

    def wait(self, run_id: str, *states: str, seconds: float = 600) -> dict[str, Any]:
        """Its status once it is one of these, or has ended. Raises TimeoutError."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            found = self.status(run_id)
            if found["status"] in (states or ENDED):
                return found
            time.sleep(0.1)
        raise TimeoutError(f"{run_id} is {found['status']}")

    def journal(self, run_id: str) -> list[dict[str, Any]]:
        """The run's events; none before it has a journal."""
        path = self.home / "reports" / "events" / f"{run_id}.jsonl"
        if not path.exists():
            return []
        return [json.loads(line) for line in path.read_bytes().splitlines()]


@contextmanager
def serving(
    home: Path,
    *words: str,
    core: int | None = None,
    what: Sequence[str] = ("serve",),
    environ: Mapping[str, str] | None = None,
) -> Iterator[Served]:
    """Serve `home`, or `what` else, with the FiQA plugin; on one core when one is named."""
    command = [sys.executable, "-P", "-m", "orchestra_core", *what, "--port", "0"]
    process = subprocess.Popen(
        [*command, "--plugins", "fiqa", *words],
        cwd=home,
        env=clean_environ(environ),
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        line = process.stdout.readline() if process.stdout else ""
        found = re.search(r":(\d+)\b", line)
        if not found:
            raise RuntimeError("the service did not start")
        if core is not None:
            _pin(process.pid, core)
        yield Served(process, int(found[1]), home)
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                process.wait(timeout=60)
        process.kill()
        process.wait()


def write_experiment(home: Path, **sections: Any) -> None:
    """The experiment that the service serves."""
    (home / "orchestra.yaml").write_text(json.dumps(sections), encoding="utf-8")


def wall_seconds(events: Sequence[dict[str, Any]]) -> float:
    """From a run's first event to the end of its stages."""
    return float(next(e for e in events if e["event_type"] == "RUN_COMPLETED")["payload"]["seconds"])


def _pin(pid: int, core: int) -> None:
    """Every thread that it has; those to come follow. Workers inherit it too, and are let go of."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        os.sched_setaffinity(int(task.name), {core})


def unpin(pid: int) -> None:
    """Let a process use every core."""
    for task in Path(f"/proc/{pid}/task").iterdir():
        with suppress(ProcessLookupError):
            os.sched_setaffinity(int(task.name), range(os.cpu_count() or 1))
