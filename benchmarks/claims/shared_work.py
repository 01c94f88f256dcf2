"""What asking many configurations at once saves, with the same engine and the same answers."""

from __future__ import annotations

from typing import Any

from benchmarks.model import Benchmark, Figure, Watch
from benchmarks.processes import run_worker
from benchmarks.sampling import ratio, told

REACH = 8.0
TOGETHER, ALONE, REQUESTS = "together", "alone", "requests"


def measure(watch: Watch, quick: bool) -> list[Figure]:
    """A worker measures all three ways in turns; it tells nothing before it is done."""
    watch.expect(1)
    watch.step("44 configurations × 648 queries, three ways")
    repetitions, probed = (1, 20) if quick else (3, 648)
    return _figures(run_worker("sharing", repetitions, probed))


def _figures(found: dict[str, Any]) -> list[Figure]:
    seconds: dict[str, list[float]] = found["seconds"]
    alone = ratio(seconds[ALONE], seconds[TOGETHER])
    requests = ratio(seconds[REQUESTS], seconds[TOGETHER])
    different = found["different"]
    pairs = found["configurations"] * found["queries"]
    scaled = "" if found["probed"] == found["queries"] else f", scaled up from {found['probed']}"
    return [
        Figure(
            "faster than one configuration at a time",
            f"{alone:.1f} times",
            f"≥ {REACH:g} times",
            alone >= REACH,
        ),
        Figure("faster than one request at a time", f"{requests:.1f} times"),
        Figure("all at once", told(seconds[TOGETHER], "s", 2)),
        Figure("one configuration at a time, all queries", told(seconds[ALONE], "s", 2)),
        Figure(f"one request at a time, as `probe` does{scaled}", told(seconds[REQUESTS], "s", 2)),
        Figure(
            "rankings that differ: one configuration at a time",
            f"{different[ALONE]:,} of {pairs:,}",
            "0",
            different[ALONE] == 0,
        ),
        Figure(
            "rankings that differ: one request at a time",
            f"{different[REQUESTS]:,} of {found['compared']:,}",
            "0",
            different[REQUESTS] == 0,
        ),
    ]


BENCHMARK = Benchmark(
    name="shared_work",
    claim="Evaluating a grid of 44 hybrid configurations together is at least 8 times as fast as one "
    "configuration at a time with the same engine, and gives the same rankings.",
    how="All 648 queries of fiqa-mini; one collection, eleven fusion weights from 0 to 1, top_k 10 "
    "and 20, MMR off and 0.3. Indexes are open and warm. `evaluate` gets all 44 configurations "
    "in one call; or one configuration per call with all queries, so that only sharing over "
    "configurations is lost; or `probe` asks each configuration each query by itself. The three "
    "ways take turns in one process.",
    measure=measure,
)
