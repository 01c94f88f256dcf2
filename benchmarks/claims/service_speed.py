"""The service under load: status while runs are active, what watchers cost, how soon a page shows."""

from __future__ import annotations

import statistics
import subprocess
import sys
from typing import Any

from benchmarks.model import Benchmark, Figure, Watch
from benchmarks.painting import first_paints, missing
from benchmarks.processes import ROOT, run_worker
from benchmarks.serving import Served, serving, unpin, wall_seconds, write_experiment
from benchmarks.workspace import fresh_folder

RATE = 200.0
P95_MS = 50.0
WATCHERS = 50
COST = 0.10
PAINT_S = 1.0
CANDIDATES = 180
LARGE = {
    "name": "large",
    "space": {
        "collection": ["fiqa_para", "fiqa_sent", "fiqa_win256_o64"],
        "alpha": [round(0.1 * i, 1) for i in range(10)],
        "top_k": [10, 20, 30],
        "mmr": ["off", 0.3],
    },
}
"""A run of so many configurations."""
LONG = {
    "space": {
        "collection": ["fiqa_para", "fiqa_sent", "fiqa_win256_o64"],
        "alpha": [round(0.05 * i, 2) for i in range(21)],
        "top_k": [10, 20, 30],
        "mmr": ["off", 0.3],
        "ef_search": [32, 64],
    },
    "stages": {"grid": {"budget": 1.0, "sample": 300, "delta": 0.0001}},
    "limits": {"requests": 1_000_000},
}
"""Runs that are still going when the load is over."""


def measure(watch: Watch, quick: bool) -> list[Figure]:
    """Status first, then pairs of runs with and without watchers in turns, then the page."""
    pairs = 2 if quick else 5
    watch.expect(4 + 2 * pairs)
    status = _status(watch, 5.0 if quick else 20.0)
    return [*status, *_watchers(watch, pairs), *_page(watch, 5 if quick else 20)]


def _status(watch: Watch, seconds: float) -> list[Figure]:
    home = fresh_folder()
    write_experiment(home, **LONG)
    with serving(home, core=0) as served:
        watch.step("two runs start")
        runs = [served.start() for _ in range(2)]
        for run_id in runs:
            served.wait(run_id, "running")
            unpin(served.journal(run_id)[0]["payload"]["pid"])
        watch.step(f"{RATE:g} requests a second")
        path = f"/orchestrate/status?run_id={runs[0]}"
        found = run_worker("status_load", served.port, path, RATE, seconds)
        still = sum(served.status(run_id)["status"] == "running" for run_id in runs)
    return _status_figures(found, still)  # leaving stopped the service, and the runs with it


def _status_figures(found: dict[str, Any], still: int) -> list[Figure]:
    latencies = sorted(found["latencies_ms"])
    p95 = latencies[int(0.95 * len(latencies))]
    answered = len(latencies) / found["seconds"]
    kept = answered >= 0.98 * RATE and not found["failed"]
    return [
        Figure(
            f"status, answered of {RATE:g} a second, two runs active, the service on one core",
            f"{answered:.0f} a second, {found['failed']} failed",
            f"≥ {RATE:g}",
            kept,
        ),
        Figure("its p95, from the scheduled send", f"{p95:.1f} ms", f"< {P95_MS:g} ms", p95 < P95_MS),
        Figure("its median", f"{statistics.median(latencies):.1f} ms"),
        Figure("runs still active after the load", f"{still} of 2"),
    ]


def _watchers(watch: Watch, pairs: int) -> list[Figure]:
    home = fresh_folder()
    alone, watched, events = [], [], 0
    with serving(home) as served:
        _timed(served, 0)  # fills the caches
        for _ in range(pairs):
            watch.step("a run nobody watches")
            alone.append(_timed(served, 0)[0])
            watch.step(f"a run with {WATCHERS} watchers")
            seconds, events = _timed(served, WATCHERS)
            watched.append(seconds)
    cost = statistics.median(watched) / statistics.median(alone) - 1
    return [
        Figure(
            f"{WATCHERS} watchers, share of the run's wall time", f"{cost:+.1%}", "< 10%", cost < COST
        ),
        Figure("median wall time alone", f"{statistics.median(alone):.2f} s"),
        Figure("median wall time watched", f"{statistics.median(watched):.2f} s"),
        Figure("events that each watcher got, all of them", f"{events:,}"),
    ]


def _page(watch: Watch, times: int) -> list[Figure]:
    home = fresh_folder()
    write_experiment(home, **LARGE)
    with serving(home) as served:
        watch.step(f"a run of {CANDIDATES} configurations")
        run_id = served.start()
        served.wait(run_id)
        watch.step(f"its page, {times} times")
        found = first_paints(f"http://127.0.0.1:{served.port}/runs/{run_id}", times)
    worst = max(found.seconds)
    return [
        Figure(
            f"first paint of the page of {CANDIDATES} candidates, the worst of {times}",
            f"{1000 * worst:.0f} ms",
            f"< {PAINT_S:g} s",
            worst < PAINT_S and found.marks >= CANDIDATES,
        ),
        Figure("its median", f"{1000 * statistics.median(found.seconds):.0f} ms"),
        Figure(
            "what the browser's console said",
            "; ".join(found.complaints) or "nothing",
            "nothing",
            not found.complaints,
        ),
    ]


def _timed(served: Served, watchers: int) -> tuple[float, int]:
    run_id = served.start()
    command = [sys.executable, "-m", "benchmarks.workers.watchers", str(served.port), run_id]
    process = None
    if watchers:
        process = subprocess.Popen([*command, str(watchers)], cwd=ROOT, stdout=subprocess.PIPE)
    served.wait(run_id)
    events = served.journal(run_id)
    if process is not None:
        out, _ = process.communicate(timeout=60)
        served_events = {int(count) for count in out.strip(b"[]").split(b",")}
        if len(served_events) != 1:
            raise RuntimeError(f"watchers got {sorted(served_events)} events")
        return wall_seconds(events), served_events.pop()
    return wall_seconds(events), 0


BENCHMARK = Benchmark(
    name="service_speed",
    claim="200 requests of `status` a second on one core while two runs are active, p95 below 50 ms; "
    "50 watchers of one run cost less than 10% of its wall time; the page of a run of 180 candidates "
    "is painted within 1 s, and the browser's console says nothing.",
    how="`orchestra serve`, its process bound to one core, with two real FiQA runs over the whole grid "
    "as its workers; requests are sent open-loop for 20 s over 16 connections and timed from the "
    "scheduled send. Watchers are 50 connections of one process that read a built-in run's events to "
    "the end; five such runs in turns with five that nobody watches. The page is opened 20 times in "
    "headless Chromium, with an empty cache each time; counted is the wall time from the start of the "
    "navigation to the first contentful paint. Load, runs, browser and service share this machine.",
    measure=measure,
    missing=missing,
)
