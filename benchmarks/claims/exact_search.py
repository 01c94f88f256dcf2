"""Exact search in PostgreSQL against exact search over the embedded engine's own vectors."""

from __future__ import annotations

from benchmarks.model import Benchmark, Figure, Watch
from benchmarks.processes import run_worker

QUICK, ALL = 100, 648


def measure(watch: Watch, quick: bool) -> list[Figure]:
    """One pass over every default collection."""
    watch.expect(1)
    watch.step("a server of the benchmark's own is filled and asked")
    found = run_worker("exact_search", QUICK if quick else ALL)
    return [line for one in found for line in _lines(one)]


def _lines(one: dict[str, float | str]) -> list[Figure]:
    here, there = one["embedded"], one["pgvector"]
    return [
        Figure(
            f"{one['collection']}: recall@10 of {one['queries']} queries",
            f"{there:.6f} in PostgreSQL, {here:.6f} embedded",
            "equal",
            here == there,
        ),
        Figure(f"{one['collection']}: rankings that differ", str(one["different"])),
    ]


BENCHMARK = Benchmark(
    name="exact_search",
    claim="Exact vector search by `backend: pgvector` finds what exact search over the embedded "
    "engine's vectors finds.",
    how="fiqa-mini is loaded into PostgreSQL with pgvector, started from its wheel; `exact: true` "
    "compares every vector. The embedded side compares every document by the engine's own vectors. "
    "Dense search alone (alpha 1), ten documents a query, each default collection.",
    measure=measure,
)
