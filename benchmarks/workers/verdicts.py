"""How often verdicts are wrong: `python -m benchmarks.workers.verdicts AA COVERAGE PEER`."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator
from typing import Any

import numpy as np
from scipy import stats

from benchmarks.workers.matrix import METRICS, Floats, Matrix, load_matrix
from orchestra_core.statistics.judging import Arms, Rules, judge, last_look
from orchestra_core.statistics.paired import mean_interval
from orchestra_core.statistics.spending import spend

LOOKS = (200, 324)
DIFFERING = (4, 8, 16, 32, 64, 128, 256)
"""Pairs of configurations are chosen by on how many of the 648 queries their scores differ."""
SEED = 20251107

Pair = tuple[Floats, Floats]


def main(repetitions: int, intervals: int, peers: int) -> dict[str, Any]:
    """Verdicts on arms that are alike, and coverage of the interval and of a BCa bootstrap's."""
    matrix = load_matrix()
    chosen = {metric: choose(matrix, metric) for metric in METRICS}
    return {
        "queries": matrix.scores[METRICS[0]].shape[1],
        "alike": [row for m in METRICS for row in alike(m, chosen[m], repetitions)],
        "coverage": [row for m in METRICS for row in coverage(m, chosen[m], intervals)],
        "peer": [row for m in METRICS for row in peer(m, chosen[m], peers)],
    }


def choose(matrix: Matrix, metric: str) -> dict[int, Pair]:
    """Queries that differ → two configurations; the first pair in plan order that comes nearest."""
    scores = matrix.scores[metric]
    differing = (scores[:, None] != scores[None]).sum(axis=2)
    differing[np.tril_indices(len(scores))] = -len(scores[0])
    chosen = {}
    for wanted in DIFFERING:
        a, b = np.unravel_index(np.abs(differing - wanted).argmin(), differing.shape)
        chosen[int(differing[a, b])] = (scores[a], scores[b])
    return chosen


def alike(metric: str, pairs: dict[int, Pair], repetitions: int) -> Iterator[dict[str, Any]]:
    """Verdicts, by kind, of arms whose true difference is zero: labels swapped per query, or copies."""
    one = next(iter(pairs.values()))[0]
    for differing, (a, b) in {0: (one, one), **pairs}.items():
        rng = np.random.default_rng([SEED, differing])
        kinds = Counter(_verdict(metric, a, b, rng) for _ in range(repetitions))
        yield {"metric": metric, "differing": differing, "kinds": dict(kinds)}


def _verdict(metric: str, a: Floats, b: Floats, rng: np.random.Generator) -> str:
    """One A/B of the default experiment, with fresh queries and each pair of scores swapped or not."""
    asked, swapped = rng.integers(0, a.size, LOOKS[-1]), rng.random(LOOKS[-1]) < 0.5
    first, second = a[asked], b[asked]
    arms = Arms({metric: np.where(swapped, second, first)}, {metric: np.where(swapped, first, second)})
    rules = Rules(seed=int(rng.integers(2**31)))
    errors = spend(1 - rules.confidence, LOOKS)
    looks = (judge(arms.take(np.arange(n)), rules, e) for n, e in zip(LOOKS, errors, strict=True))
    return last_look(looks)[1].settled.kind


def coverage(metric: str, pairs: dict[int, Pair], repetitions: int) -> Iterator[dict[str, Any]]:
    """How often the 95% interval holds the true difference, and its mean width."""
    for differing, (a, b) in pairs.items():
        for queries in LOOKS:
            rng = np.random.default_rng([SEED, differing, queries])
            samples = _samples(b - a, queries, repetitions, rng)
            found = np.array([mean_interval(sample) for sample in samples])
            yield _covered(metric, differing, queries, found, float((b - a).mean()))


def peer(metric: str, pairs: dict[int, Pair], repetitions: int) -> Iterator[dict[str, Any]]:
    """The same with scipy's BCa bootstrap, 1,999 resamples, at the last look."""
    for differing, (a, b) in pairs.items():
        rng = np.random.default_rng([SEED, differing, LOOKS[-1]])
        samples = _samples(b - a, LOOKS[-1], repetitions, rng)
        found = np.array([_bca(sample, rng) for sample in samples])
        yield _covered(metric, differing, LOOKS[-1], found, float((b - a).mean()))


def _bca(sample: Floats, rng: np.random.Generator) -> tuple[float, float]:
    if np.ptp(sample) == 0:
        return float(sample[0]), float(sample[0])
    interval = stats.bootstrap((sample,), np.mean, n_resamples=1999, rng=rng).confidence_interval
    return float(interval.low), float(interval.high)


def _samples(difference: Floats, queries: int, repetitions: int, rng: np.random.Generator) -> Floats:
    return difference[rng.integers(0, difference.size, (repetitions, queries))]


def _covered(metric: str, differing: int, queries: int, found: Floats, truth: float) -> dict[str, Any]:
    held = (found[:, 0] <= truth + 1e-12) & (truth - 1e-12 <= found[:, 1])
    width = float((found[:, 1] - found[:, 0]).mean())
    share = float(held.mean())
    return {
        "metric": metric, "differing": differing, "queries": queries, "share": share, "width": width
    }  # fmt: skip


if __name__ == "__main__":
    print(json.dumps(main(*map(int, sys.argv[1:]))))
