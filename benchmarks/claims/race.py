"""How few evaluations the race needs, against successive halving and Optuna's pruners."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from statistics import median
from typing import Any

from benchmarks.model import Benchmark, Figure, Watch
from benchmarks.processes import run_worker

DELTA = 0.05
REACHES = {44: 0.07, 180: 0.04}
SURE = 0.95
PEERS_ON = 44
REPETITIONS = 1000
ERRORS = 2
"""Standard errors by which the race, not its peers, must be above SURE: else the seed decides."""
Row = dict[str, Any]


def measure(watch: Watch, quick: bool) -> list[Figure]:
    """Workers replay the races part by part, as many at a time as there are cores, at most two."""
    repetitions = 20 if quick else REPETITIONS
    parts = ("race", "drawn", "strangers", "halving", "wrong")
    settings = run_worker("racing", "settings", PEERS_ON, 0)
    # The longest first, so that no core waits for it at the end.
    peers = [(PEERS_ON, number) for number in reversed(range(len(settings)))]
    jobs = [*peers, *((size, name) for size in REACHES for name in parts)]
    watch.expect(len(jobs))

    def replayed(job: tuple[int, str | int]) -> Any:
        size, name = job
        watch.step(f"{size}: {settings[name] if isinstance(name, int) else name}")
        return run_worker("racing", name, size, repetitions)

    with ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        found = dict(zip(jobs, pool.map(replayed, jobs), strict=True))
    spaces = {size: {name: found[size, name] for name in parts} for size in REACHES}
    figures = [figure for size in REACHES for figure in _of_space(size, spaces[size])]
    rows = [found[job] for job in reversed(peers)]
    return [*figures, *_against_peers(spaces[PEERS_ON]["race"], rows)]


def _of_space(size: int, found: dict[str, Any]) -> list[Figure]:
    reach = REACHES[size]
    at = next(row for row in found["race"] if row["budget"] == reach)
    return [
        *_wrongly_dropped(size, found["wrong"]),
        Figure(
            f"{size}: P(regret ≤ 0.01) at {reach:.0%}",
            f"{_near(at)} (at most {at['most']:.2%} spent)",
            f"≥ {SURE:g}",
            _is_sure(at) and at["most"] <= reach + 1e-3,
        ),
        Figure(f"{size}: the same, queries drawn with replacement", _near(found["drawn"])),
        Figure(f"{size}: the same, configurations taken for strangers", _told(found["strangers"])),
        Figure(
            f"{size}: least share measured with P ≥ {SURE:g} by {ERRORS} standard errors",
            f"{share:.2%} spent" if (share := _least(found["race"])) is not None else "none",
        ),
        *(Figure(f"{size}: the race, budget {row['budget']:g}", _told(row)) for row in found["race"]),
        *(
            Figure(f"{size}: successive halving, budget {row['budget']:g}", _told(row))
            for row in found["halving"]
        ),
        *_regret_bounds(size, found["race"], reach),
    ]


def _wrongly_dropped(size: int, wrong: list[dict[str, float]]) -> list[Figure]:
    shuffled, drawn = wrong
    worst = max(shuffled["doubt"], drawn["doubt"])
    told = f"{shuffled['doubt']:.1%}; {drawn['doubt']:.1%} of queries drawn with replacement"
    return [
        Figure(
            f"{size}: true best dropped by doubt, budget 1.0", told, f"≤ {DELTA:.0%}", worst <= DELTA
        ),
        Figure(
            f"{size}: true best dropped by doubt or as equivalent, budget 1.0", f"{shuffled['any']:.1%}"
        ),
        Figure(f"{size}: the same, more than epsilon lost", f"{shuffled['beyond_epsilon']:.1%}"),
        Figure(f"{size}: evaluations at budget 1.0", f"{shuffled['spent']:.1%} of the full grid"),
    ]


def _regret_bounds(size: int, rows: list[Row], reach: float) -> list[Figure]:
    return [
        Figure(
            f"{size}: regret bound holds, budget {row['budget']:g}",
            f"{row['covered']:.1%}; median bound {row['bound']:.3f}",
            *((f"≥ {SURE:.0%}", row["covered"] >= SURE) if row["budget"] == reach else ()),
        )
        for row in rows
        if row["covered"] is not None
    ]


def _is_sure(row: Row) -> bool:
    return bool(row["near"] - ERRORS * row["error"] >= SURE)


def _least(rows: list[Row]) -> float | None:
    """The least that was spent where the race is near enough; None: nowhere."""
    return min((float(row["spent"]) for row in rows if _is_sure(row)), default=None)


def _near(row: Row) -> str:
    return f"{row['near']:.3f} ± {row['error']:.3f}"


def _told(row: Row) -> str:
    return f"{row['spent']:.2%} spent, P {_near(row)}, mean regret {row['regret']:.4f}"


def _against_peers(race: list[Row], rows: list[Row]) -> list[Figure]:
    """Every pruner at its cheapest setting that is as near as asked, else at its nearest."""
    chosen = [
        _best([row for row in rows if row["pruner"] == name])
        for name in dict.fromkeys(row["pruner"] for row in rows)
    ]
    ours, costs = _least(race), [row["spent"] for row in chosen]
    return [
        Figure(
            "44: the race over the best pruner, evaluations",
            *_over(ours, min(costs), 1),
        ),
        Figure(
            "44: the race over the median pruner, evaluations",
            *_over(ours, median(costs), 0.5),
        ),
        *(Figure(f"44: {row['pruner']}, {row['label']}", _peer(row)) for row in rows),
    ]


def _over(ours: float | None, theirs: float, at_most: float) -> tuple[str, str, bool]:
    """Measured, reach, and whether it is reached."""
    if ours is None:
        return "never near enough", f"≤ {at_most:g}", False
    return f"{ours / theirs:.2f}", f"≤ {at_most:g}", ours <= at_most * theirs


def _peer(row: Row) -> str:
    return f"{_told(row)}, {row['repetitions']} studies"


def _best(rows: list[Row]) -> Row:
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
    f"({REPETITIONS:,} times for every line, five times as often for the race at the budgets with a "
    "reach; fixed seeds; ± is one standard error) and replays the race's own functions on that order; "
    "where it says so, queries are drawn with replacement instead. The race counts as near enough if "
    f"it is so by {ERRORS} standard errors, a peer already by its figure. "
    "180 configurations are the default space as a plain product. Successive halving spends equally on "
    "each round of halving. Optuna's pruners see configurations one by one in random order, each on "
    "the same query order, and are asked at the sizes at which they can decide; WilcoxonPruner, which "
    "compares query by query, at eleven sizes from 18 to 648. Of each pruner the cheapest setting that "
    "is near enough counts, else its nearest.",
    measure=measure,
)
