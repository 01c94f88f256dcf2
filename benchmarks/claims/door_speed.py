"""Requests per second through the door, beside Locust's default user, from one core."""

from __future__ import annotations

import json
import os
from functools import partial

from benchmarks.claims.probe_accuracy import locust_program, missing
from benchmarks.model import Benchmark, Figure, Watch
from benchmarks.processes import ROOT, run, run_worker, server
from benchmarks.sampling import in_turns, ratio, told

CLIENTS, LEAST = 8, 1.2
OURS, THEIRS = "the door", "Locust's HttpUser"


def measure(watch: Watch, quick: bool) -> list[Figure]:
    """The two in turns, against one server on another core."""
    repetitions, seconds = (1, 3) if quick else (5, 10)
    watch.expect(2 * repetitions)
    here, *others = sorted(os.sched_getaffinity(0))
    with server("instant_service", others[0] if others else here) as port:
        arms = {OURS: partial(_door, here, port, seconds), THEIRS: partial(_users, here, port, seconds)}
        found = in_turns(arms, repetitions, watch.step)
    times = ratio(found[OURS], found[THEIRS])
    return [
        Figure("the door against Locust", f"{times:.2f} times", f"≥ {LEAST} times", times >= LEAST),
        *(Figure(name, told(found[name], "requests/s", 0)) for name in (OURS, THEIRS)),
    ]


def _door(core: int, port: int, seconds: int) -> float:
    return float(run_worker("door_client", core, port, CLIENTS, seconds)["per_second"])


def _users(core: int, port: int, seconds: int) -> float:
    words = [locust_program(), "--headless", "--loglevel", "ERROR", "--only-summary", "--json"]
    words += ["-f", "benchmarks/workers/plain_users.py", "--host", f"http://127.0.0.1:{port}"]
    words += ["--users", CLIENTS, "--spawn-rate", CLIENTS, "--run-time", f"{seconds}s"]
    finished = run([str(word) for word in words], folder=ROOT, environ={"PLAIN_CORE": str(core)})
    (entry,) = json.loads(finished.stdout)
    if entry["num_failures"]:
        raise RuntimeError(f"{entry['num_failures']} of Locust's requests failed")
    return float(entry["num_requests"]) / (entry["last_request_timestamp"] - entry["start_time"])


BENCHMARK = Benchmark(
    name="door_speed",
    claim="With every guard on, the client sustains at least 1.2 times the requests/s of Locust's "
    "default HttpUser, from one core.",
    how="One server on loopback that answers at once, on a core of its own; both clients on another "
    "core, 8 threads through the door and 8 Locust users, 10 s each, in turns. Policy, breaker, slots, "
    "rate limit (100,000/s), budget, deadlines, size limits and secrets are on and do not bind; both "
    "read the answer as JSON.",
    measure=measure,
    missing=missing,
)
