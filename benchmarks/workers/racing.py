"""Replay races: `python -m benchmarks.workers.racing REPETITIONS PEER_REPETITIONS`."""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np

from benchmarks.racing.fields import SPACES, Field, field
from benchmarks.racing.pruners import SETTINGS, study
from benchmarks.racing.replay import Order, Outcome, Race, certain_only, halving, race
from orchestra_core.builtin.planner import rung_sizes

SEED = 20251107
ENOUGH = 0.01
BUDGETS = {44: (0.03, 0.05, 0.07, 0.09), 180: (0.02, 0.03, 0.04)}
HALVING = {44: (0.07, 0.09, 0.12, 0.16), 180: (0.04, 0.075, 0.12)}
CERTAIN_REPETITIONS = 1000


def main(repetitions: int, peers: int) -> dict[str, Any]:
    """All figures, by size of the space."""
    return {str(size): _of_space(size, repetitions, peers) for size in SPACES}


def _of_space(size: int, repetitions: int, peers: int) -> dict[str, Any]:
    known = field(size)
    return {
        "race": [_curve(known, race, budget, repetitions) for budget in BUDGETS[size]],
        "halving": [_curve(known, halving, budget, repetitions) for budget in HALVING[size]],
        "wrong": _wrong(known, min(repetitions, CERTAIN_REPETITIONS)),
        "peers": _peers(known, repetitions, peers) if size == 44 else [],
    }


def _curve(known: Field, method: Race, budget: float, repetitions: int) -> dict[str, Any]:
    found = [method(known, order, budget) for order in _orders(known, repetitions)]
    return {"budget": budget, **_summary(known, found), **_bounds(found)}


def _summary(known: Field, found: list[Outcome]) -> dict[str, Any]:
    truth = known.truth
    regrets = np.array([truth.max() - truth[one.winner] for one in found])
    return {
        "repetitions": len(found),
        "near": float((regrets <= ENOUGH).mean()),
        "regret": float(regrets.mean()),
        "spent": float(np.mean([one.evaluations for one in found]) / known.scores.size),
        "most": float(np.max([one.evaluations for one in found]) / known.scores.size),
    }


def _bounds(found: list[Outcome]) -> dict[str, Any]:
    bounded = [one for one in found if one.bound is not None]
    if not bounded:
        return {"covered": None, "bound": None}
    covered = np.mean([one.forced_best <= (one.bound or 0.0) for one in bounded])
    return {"covered": float(covered), "bound": float(np.median([one.bound or 0.0 for one in bounded]))}


def _wrong(known: Field, repetitions: int) -> dict[str, float]:
    """Shares of races at budget 1.0 that drop the true best: by doubt, or with equivalence too."""
    sizes = rung_sizes(known.scores.shape[1], 0.05)
    by_doubt = [not certain_only(known, order, sizes) for order in _orders(known, repetitions)]
    whole = [race(known, order, 1.0) for order in _orders(known, repetitions)]
    return {
        "doubt": float(np.mean(by_doubt)),
        "any": float(np.mean([not one.kept_best for one in whole])),
        "beyond_epsilon": float(np.mean([one.lost > 0.005 for one in whole])),
        "spent": float(np.mean([one.evaluations for one in whole]) / known.scores.size),
    }


def _peers(known: Field, repetitions: int, slow: int) -> list[dict[str, Any]]:
    rows = []
    for setting in SETTINGS:
        count = slow if setting.per_query else repetitions
        orders = enumerate(_orders(known, count))
        found = [Outcome(*study(known, order, setting, seed), False) for seed, order in orders]
        row = {"pruner": setting.pruner, "label": setting.label}
        rows.append({**row, **_summary(known, found)})
    return rows


def _orders(known: Field, repetitions: int) -> list[Order]:
    rng = np.random.default_rng(SEED)
    return [rng.permutation(known.scores.shape[1]) for _ in range(repetitions)]


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]), int(sys.argv[2]))))
