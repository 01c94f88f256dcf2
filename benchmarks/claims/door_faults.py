"""Two thousand requests to a service that misbehaves: what became of each, and at which rate."""

from __future__ import annotations

import json
from typing import Any
from urllib.request import urlopen

import numpy as np

from benchmarks.model import Benchmark, Figure, Watch
from benchmarks.processes import run_worker, server

RATE, ALLOWED = 200, 1.05
SEED = 20251107


def measure(watch: Watch, quick: bool) -> list[Figure]:
    """Once: every request counts, so there is nothing to repeat."""
    questions = 400 if quick else 2000
    watch.expect(1)
    watch.step("asking")
    with server("faulty_service", SEED) as port:
        found = run_worker("asking_faulty", port, questions, RATE)
        with urlopen(f"http://127.0.0.1:{port}/seen") as answer:
            seen = json.load(answer)
    return _figures(questions, found, np.array(seen["times"]))


def _figures(questions: int, found: Any, times: np.ndarray) -> list[Figure]:
    named = sum(found["failures"].values())
    whole = found["results"] + named == found["different"] == found["observations"] == questions
    busiest = int(max(np.searchsorted(times, times + 1.0) - np.arange(times.size)))
    reasons = ", ".join(f"{reason} {count}" for reason, count in found["failures"].items())
    return [
        Figure(
            "a result or a named failure, each once",
            f"{found['results']} + {named}",
            f"{questions}",
            whole,
        ),
        Figure("results of another question", str(found["wrong"]), "0", found["wrong"] == 0),
        Figure(
            "most requests that the server saw within a second",
            f"{busiest}",
            f"≤ {RATE * ALLOWED:.0f} (the stated {RATE} + 5%)",
            busiest <= RATE * ALLOWED,
        ),
        Figure("requests sent, repetitions included", f"{times.size} in {found['seconds']:.1f} s"),
        Figure("failures by reason", reasons or "none"),
    ]


BENCHMARK = Benchmark(
    name="door_faults",
    claim="Against a service that misbehaves every query ends as a result or a named failure, none "
    "missing, none twice, and the service never sees more than the stated rate + 5%.",
    how="2,000 questions over 16 threads at 200 requests/s to a server that answers 5% with 500, "
    "stalls 1%, sends garbage 1%, truncates 1% and answers bursts of ten with 429 and Retry-After; "
    "time-out 1 s, three repetitions. The server notes when each request came; any second counts, not "
    "only whole ones.",
    measure=measure,
)
