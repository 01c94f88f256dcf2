"""The probe's percentiles beside those of an independent load tool on the same server."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.loopback import load
from benchmarks.model import Benchmark, Figure, Watch
from benchmarks.processes import ROOT, run, server
from benchmarks.sampling import in_turns, told
from benchmarks.workspace import fresh_folder

RATE, USERS = 100, 20
WARMUP = 2 * RATE
"""Requests left out of each: in them both tools open their connections."""
PERCENTILES = {"p50": 50, "p95": 95}
RATES = "requests per second"
OURS, THEIRS = "Orchestra's probe", "Locust"
OWN = Path(sys.prefix) / "locust" / "bin"
Found = dict[str, float]


def missing() -> str:
    """Locust has an environment of its own: its pytest plugin and its gevent stay out of ours."""
    if locust_program() is not None:
        return ""
    return "Locust is not there; `make bench` installs it, or put `locust` on the PATH"


def measure(watch: Watch, quick: bool) -> list[Figure]:
    """The two in turns."""
    repetitions, seconds = (1, 5) if quick else (6, 20)
    watch.expect(2 * repetitions)
    with server("http_target") as port:
        arms = {OURS: partial(_orchestra, port, seconds), THEIRS: partial(_paced_users, port, seconds)}
        found = in_turns(arms, repetitions, watch.step)
    rates = [Figure(f"{RATES}, {name}", told([f[RATES] for f in found[name]], "/s")) for name in found]
    return [*(figure for name in PERCENTILES for figure in _compare(name, found)), *rates]


def _orchestra(port: int, seconds: int) -> Found:
    figures = load(port, "--rate", RATE, "--duration", seconds, "--warmup", WARMUP)
    if figures.errors:
        raise RuntimeError(f"of Orchestra's requests failed: {figures.errors}")
    latency = {name: figures.latency[f"{name}_ms"].value for name in PERCENTILES}
    return {**latency, RATES: figures.sent_rate or 0.0}


def _paced_users(port: int, seconds: int) -> Found:
    file = fresh_folder() / "requests.json"
    words = [locust_program(), "--headless", "--loglevel", "ERROR", "--only-summary"]
    words += ["-f", "benchmarks/workers/paced_users.py", "--host", f"http://127.0.0.1:{port}"]
    words += ["--users", USERS, "--spawn-rate", USERS, "--run-time", f"{seconds + WARMUP // RATE}s"]
    pace = {"PACED_RATE": str(RATE), "PACED_USERS": str(USERS), "PACED_FILE": str(file)}
    finished = run([str(word) for word in words], folder=ROOT, environ=pace)
    if finished.code != 0 or not file.exists():
        raise RuntimeError(f"Locust ended with {finished.code}: {finished.stderr[-500:]}")
    return _found(sorted(json.loads(file.read_text()))[WARMUP:])


def _found(rows: Sequence[tuple[float, float]]) -> Found:
    """(start in s, latency in ms) of every request, warm-up left out."""
    starts, milliseconds = np.array(rows).T
    rate = (len(rows) - 1) / float(np.ptp(starts))
    return {
        **{name: float(np.percentile(milliseconds, p)) for name, p in PERCENTILES.items()},
        RATES: rate,
    }


def _compare(name: str, found: dict[str, list[Found]]) -> list[Figure]:
    ours, theirs = ([one[name] for one in found[arm]] for arm in (OURS, THEIRS))
    apart = abs(median(ours) - median(theirs))
    allowed = 0.1 * median(theirs) + 1
    reach = f"≤ {allowed:.2f} ms (10% + 1 ms)"
    return [
        Figure(f"{name}: apart", f"{apart:.2f} ms", reach, apart <= allowed),
        Figure(f"{name}, {OURS}", told(ours, "ms", 2)),
        Figure(f"{name}, {THEIRS}", told(theirs, "ms", 2)),
    ]


def locust_program() -> str | None:
    return shutil.which("locust", path=str(OWN)) or shutil.which("locust")


BENCHMARK = Benchmark(
    name="probe_accuracy",
    claim="The probe's p50 and p95 at 100 requests per second are those of an independent load tool.",
    how="One service on loopback (8 ms a request, every tenth 30 ms), asked in turns for 20 s each: by "
    "`orchestra load` open-loop at 100 per second, through the HTTP runner and the door, and by Locust "
    "with 20 users who ask 5 times per second each, one after another, so that requests are evenly "
    "spaced. Locust counts from the actual send, and its users wait for their answers: where nothing "
    "stalls, as here, that is the same latency. Each tool's own client is part of what it measures. "
    "The first 200 requests of each are left out.",
    measure=measure,
    missing=missing,
)
