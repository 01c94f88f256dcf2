"""One module a claim; the order is that of RESULTS.md."""

from __future__ import annotations

from benchmarks import torture
from benchmarks.claims import (
    bookkeeping,
    boolq,
    default_run,
    door_faults,
    door_speed,
    exact_search,
    over_http,
    probe_accuracy,
    race,
    service_hostile,
    service_kill,
    service_speed,
    shared_work,
    stall,
    startup,
    verdicts,
)

BENCHMARKS = {
    module.BENCHMARK.name: module.BENCHMARK
    for module in (
        default_run,
        shared_work,
        bookkeeping,
        startup,
        boolq,
        verdicts,
        stall,
        probe_accuracy,
        door_speed,
        door_faults,
        over_http,
        exact_search,
        service_speed,
        service_hostile,
        service_kill,
        race,
        torture,
    )
}
LONG = frozenset({"race", "torture"})
"""Thousands of races, a hundred kills."""
USUAL = tuple(name for name in BENCHMARKS if name not in LONG)
"""What runs when nothing is named."""
