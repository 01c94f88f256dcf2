"""Run a command and learn its wall time and its peak memory.

The process that measures must stay small: on Linux a child's peak counts what it shared with its parent
before it became another program. So whatever is heavy runs in a worker of its own, never in here.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from threading import Timer
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
ORCHESTRA = str(Path(sys.executable).parent / "orchestra")
TIMEOUT_S = 1800.0


@dataclass(frozen=True)
class Finished:
    """A command that has ended."""

    code: int
    seconds: float
    cpu_seconds: float
    peak_mb: float
    """Largest resident set, in MB of a million bytes; the largest of its children when that is more."""
    stdout: str
    stderr: str

    def json(self) -> Any:
        """What it printed, as JSON. Raises RuntimeError with what it said on stderr."""
        try:
            return json.loads(self.stdout)
        except json.JSONDecodeError as error:
            said = self.stderr.strip().splitlines()[-3:]
            raise RuntimeError(f"exit code {self.code}: {' / '.join(said) or 'no output'}") from error


def run(
    arguments: Sequence[str], *, folder: Path, environ: Mapping[str, str] | None = None
) -> Finished:
    """Run a command in `folder` to its end, or kill it after TIMEOUT_S."""
    with TemporaryFile("w+") as stdout, TemporaryFile("w+") as stderr:
        began = time.perf_counter()
        process = subprocess.Popen(
            arguments, cwd=folder, env=clean_environ(environ), stdout=stdout, stderr=stderr
        )
        alarm = Timer(TIMEOUT_S, os.kill, (process.pid, 9))
        alarm.start()
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        alarm.cancel()
        process.returncode = os.waitstatus_to_exitcode(status)
        return Finished(
            code=process.returncode,
            seconds=seconds,
            cpu_seconds=usage.ru_utime + usage.ru_stime,
            peak_mb=usage.ru_maxrss * 1024 / 1e6,
            stdout=_read(stdout),
            stderr=_read(stderr),
        )


def run_worker(name: str, *arguments: object) -> Any:
    """Run `benchmarks.workers.<name>` and return the JSON that it printed."""
    module = f"benchmarks.workers.{name}"
    return run([sys.executable, "-m", module, *map(str, arguments)], folder=ROOT).json()


def clean_environ(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """The environment without the user's own Orchestra settings; only the cache stays where it is."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith("ORCHESTRA_") or name == "ORCHESTRA_CACHE_DIR"
    }
    return {**kept, **(extra or {})}


def _read(stream: Any) -> str:
    stream.seek(0)
    return str(stream.read())


@contextmanager
def server(worker: str, *words: object) -> Iterator[int]:
    """The port of a fresh server, `benchmarks.workers.WORKER`, which ends with the block.

    It prints its port first. Raises RuntimeError when it ends without one.
    """
    command = [sys.executable, "-m", f"benchmarks.workers.{worker}", *map(str, words)]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        said = process.stdout.readline() if process.stdout else ""
        if not said:
            raise RuntimeError(f"the server {worker} did not start")
        yield int(said)
    finally:
        process.terminate()
        process.wait()
