"""How few evaluations the race needs, against successive halving and Optuna's pruners."""

from __future__ import annotations

from statistics import median
from typing import Any

from benchmarks.model import Benchmark, Figure, Watch
from benchmarks.processes import run_worker

DELTA = 0.05
REACHES = {"44": 0.07, "180": 0.04}
SURE = 0.95


def measure(watch: Watch, quick: bool) -> list[Figure]:
    """A worker replays all races."""
    watch.expect(1)
    watch.step("races over 44 and 180 configurations")
    found = run_worker("racing", *((50, 2) if quick else (1000, 30)))
    figures = [figure for size in REACHES for figure in _of_space(size, found[size])]
    return [*figures, *_against_peers(found["44"])]


def _of_space(size: str, found: dict[str, Any]) -> list[Figure]:
    wrong, reach = found["wrong"], REACHES[size]
    at = next(row for row in found["race"] if row["budget"] == reach)
    return [
        Figure(
            f"{size}: true best dropped by doubt, budget 1.0",
            f"{wrong['doubt']:.1%}",
            f"≤ {DELTA:.0%}",
            wrong["doubt"] <= DELTA,
        ),
        Figure(
            f"{size}: true best dropped by doubt or as equivalent, budget 1.0", f"{wrong['any']:.1%}"
        ),
        Figure(f"{size}: the same, more than epsilon lost", f"{wrong['beyond_epsilon']:.1%}"),
        Figure(f"{size}: evaluations at budget 1.0", f"{wrong['spent']:.1%} of the full grid"),
        Figure(
            f"{size}: P(regret ≤ 0.01) at {reach:.0%}",
            f"{at['near']:.3f} (at most {at['most']:.2%} spent)",
            f"≥ {SURE:g}",
            at["near"] >= SURE and at["most"] <= reach + 1e-3,
        ),
        *(Figure(f"{size}: the race, budget {row['budget']:g}", _told(row)) for row in found["race"]),
        *(Figure(f"{size}: successive halving", _told(row)) for row in found["halving"]),
        Figure(
            f"{size}: regret bound holds at {reach:.0%}",
            f"{at['covered']:.1%}; median bound {at['bound']:.3f}",
            f"≥ {SURE:.0%}",
            at["covered"] >= SURE,
        ),
    ]


def _told(row: dict[str, Any]) -> str:
    return f"{row['spent']:.2%} spent, P {row['near']:.3f}, mean regret {row['regret']:.4f}"


def _against_peers(found: dict[str, Any]) -> list[Figure]:
    """Every pruner at its cheapest setting that is as near as asked, else at its nearest."""
    rows = found["peers"]
    chosen = [
        _best([row for row in rows if row["pruner"] == name])
        for name in dict.fromkeys(row["pruner"] for row in rows)
    ]
    enough = [row for row in found["race"] if row["near"] >= SURE]
    ours = min((row["spent"] for row in enough), default=1.0)
    costs = [row["spent"] for row in chosen]
    return [
        Figure(
            "44: the race over the best pruner, evaluations",
            f"{ours / min(costs):.2f}",
            "≤ 1",
            bool(enough) and ours <= min(costs),
        ),
        Figure(
            "44: the race over the median pruner, evaluations",
            f"{ours / median(costs):.2f}",
            "≤ 0.5",
            bool(enough) and ours <= median(costs) / 2,
        ),
        *(Figure(f"44: {row['pruner']}, {row['label']}", _peer(row)) for row in rows),
    ]


def _peer(row: dict[str, Any]) -> str:
    return f"{_told(row)}, {row['repetitions']} studies"


def _best(rows: list[dict[str, Any]]) -> dict[str, Any]:
    near = [row for row in rows if row["near"] >= SURE]
    if near:
        return min(near, key=lambda row: float(row["spent"]))
    return max(rows, key=lambda row: float(row["near"]))


BENCHMARK = Benchmark(
    name="race",
    claim="The race finds a configuration within 0.01 nDCG@10 of the best with a probability of 0.95 "
    "for 7% of the full grid's evaluations on 44 configurations and 4% on 180, and for less than "
    "Optuna's pruners need; what it drops beyond doubt is the true best in at most 5% of races.",
    how="The full grid is all configurations times all 648 queries of fiqa-mini, whose real nDCG@10 "
    "is stored; the truth is the mean over all of them. A repetition shuffles the queries "
    "(1,000 times, fixed seeds) and replays the race's own functions on that order. 180 "
    "configurations are the default space as a plain product. Successive halving spends equally "
    "on each round of halving. Optuna's pruners see configurations one by one in random order, "
    "each on the same query order, at eleven sizes from 9 to 648 queries; of each pruner the "
    "cheapest setting that is near enough counts. WilcoxonPruner compares means of blocks of "
    "nine queries and was repeated 30 times only: single queries, and 1,000 studies, would take "
    "hours.",
    measure=measure,
)
