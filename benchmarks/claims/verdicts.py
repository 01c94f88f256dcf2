"""Verdicts on arms that are alike, and what the intervals hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from benchmarks.model import Benchmark, Figure, Watch
from benchmarks.processes import run_worker

FALSE_CALLS = 0.05
LOW, HIGH = 0.93, 0.97
MANY = 0.15
"""From this share of differing queries on, an interval can be expected to keep to its level."""
Row = dict[str, Any]


def measure(watch: Watch, quick: bool) -> list[Figure]:
    """One worker measures everything; it tells nothing before it is done."""
    watch.expect(1)
    watch.step("A/A, coverage, and a peer's coverage")
    found = run_worker("verdicts", *((200, 200, 50) if quick else (1000, 2000, 1000)))
    return [*_alike(found), *_coverage(found), *_rows(found)]


def _alike(found: Row) -> list[Figure]:
    worst = max(found["alike"], key=_called)
    calls = sum(map(_called, found["alike"])) / len(found["alike"])
    shown = (
        f"{_called(worst):.1%} ({worst['metric']}, {worst['differing']} of {found['queries']} differ)"
    )
    return [
        Figure(
            "identical arms called `win` or `regression`, the worst of all pairs",
            shown,
            f"≤ {FALSE_CALLS:.0%}",
            _called(worst) <= FALSE_CALLS,
        ),
        Figure("identical arms called `win` or `regression`, mean of all pairs", f"{calls:.1%}"),
    ]


def _called(row: Row) -> float:
    kinds: dict[str, int] = row["kinds"]
    return (kinds.get("win", 0) + kinds.get("regression", 0)) / sum(kinds.values())


def _coverage(found: Row) -> list[Figure]:
    """All pairs against the reach; beside them, those on which an interval can keep to its level."""
    figures = []
    for metric in dict.fromkeys(row["metric"] for row in found["coverage"]):
        rows = [row for row in found["coverage"] if row["metric"] == metric]
        many = [row for row in rows if row["differing"] >= MANY * found["queries"]]
        reached = all(LOW <= row["share"] <= HIGH for row in rows)
        what = f"95% interval covers the true {metric} difference"
        figures += [
            Figure(f"{what}, all pairs", _range(rows), f"{LOW:.0%} to {HIGH:.0%}", reached),
            Figure(f"{what}, pairs that differ on {MANY:.0%} of the queries or more", _range(many)),
        ]
    return figures


def _range(rows: Sequence[Row]) -> str:
    shares = [row["share"] for row in rows]
    return f"{min(shares):.1%} to {max(shares):.1%}"


def _rows(found: Row) -> list[Figure]:
    return [
        *(Figure(f"A/A, {_where(row, found)}", f"{_called(row):.1%}") for row in found["alike"]),
        *(Figure(f"coverage, {_where(row, found)}", _share(row)) for row in found["coverage"]),
        *(
            Figure(f"coverage of a BCa bootstrap, {_where(row, found)}", _share(row))
            for row in found["peer"]
        ),
    ]


def _where(row: Row, found: Row) -> str:
    asked = f", {row['queries']} queries" if "queries" in row else ""
    return f"{row['metric']}{asked}, {row['differing']} of {found['queries']} differ"


def _share(row: Row) -> str:
    return f"{row['share']:.1%}, mean width {row['width']:.4f}"


BENCHMARK = Benchmark(
    name="verdicts",
    claim="Arms that are alike are called `win` or `regression` at most 5 times in 100, over both "
    "looks together, and 95% intervals hold the true difference 93 to 97 times in 100.",
    how="Scores per query of the default experiment's configurations on all 648 queries of fiqa-mini "
    "are the population; samples are drawn from it with replacement, seeds are fixed. Pairs of "
    "configurations are chosen by on how many queries they differ, from a few to the most there "
    "are. A/A: 1,000 repetitions a pair; which arm has which of the two scores is drawn anew for "
    "every query, so neither is better (0 differ: copies); then the A/B's own two looks, at 200 "
    "and 324 queries, by the functions that runs use. Coverage: 2,000 repetitions a pair of 95% "
    "intervals at 200 and at 324 queries. In a verdict, an interval is also stretched to zero "
    "where the p-value does not reject zero; that is left out here, and can only cover more. "
    "recall@10 is 0 or 1 here, so its differences are -1, 0 and 1. Where hardly a query differs "
    "no interval is near its level: in some samples nothing differs at all, and allowing for what "
    "was not seen covers too often rather than too seldom; so it is for nDCG@10, where a "
    "difference could be a hundred times as large as those seen. For comparison scipy's BCa "
    "bootstrap (1,999 resamples, 1,000 repetitions), which this project used before: it falls far "
    "short there.",
    measure=measure,
)
