"""Replay races: `python -m benchmarks.workers.racing PART SIZE REPETITIONS`.

PART: `race`, `drawn`, `strangers`, `halving`, `wrong`, `settings` (of the pruners), or the number of
one of them.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from benchmarks.racing.fields import SPACES, Field, field
from benchmarks.racing.replay import Order, Outcome, Race, certain_only, halving, race
from orchestra_core.builtin.planner import rung_sizes

SEED = 20251107
ENOUGH = 0.01
BUDGETS = {44: (0.03, 0.05, 0.07, 0.09, 0.12), 180: (0.02, 0.03, 0.04, 0.06)}
REACH = {44: 0.07, 180: 0.04}
MORE = 5
"""Times the repetitions at the budget that has a reach, whose error would blur the answer."""
HALVING = {44: (0.05, 0.07, 0.09, 0.12, 0.16), 180: (0.03, 0.04, 0.075, 0.12)}


def main(part: str, size: int, repetitions: int) -> Any:
    """The part's figures."""
    if part == "settings":
        from benchmarks.racing.pruners import SETTINGS

        for space in SPACES:
            field(space)  # kept for the workers that follow, who may run side by side
        return [f"{setting.pruner}, {setting.label}" for setting in SETTINGS]
    known, reach = field(size), REACH[size]
    parts: dict[str, Callable[[], Any]] = {
        "race": lambda: [
            _curve(known, race, budget, repetitions * (MORE if budget == reach else 1))
            for budget in BUDGETS[size]
        ],
        "drawn": lambda: _curve(known, race, reach, repetitions, again=True),
        "strangers": lambda: _curve(known, partial(race, neighbours=False), reach, repetitions),
        "halving": lambda: [_curve(known, halving, budget, repetitions) for budget in HALVING[size]],
        "wrong": lambda: [_wrong(known, repetitions, again) for again in (False, True)],
    }
    return parts[part]() if part in parts else _peer(known, int(part), repetitions)


def _curve(
    known: Field, method: Race, budget: float, repetitions: int, again: bool = False
) -> dict[str, Any]:
    found = [method(known, order, budget) for order in _orders(known, repetitions, again)]
    return {"budget": budget, **_summary(known, found), **_bounds(found)}


def _summary(known: Field, found: list[Outcome]) -> dict[str, Any]:
    truth = known.truth
    regrets = np.array([truth.max() - truth[one.winner] for one in found])
    near = float((regrets <= ENOUGH).mean())
    return {
        "repetitions": len(found),
        "near": near,
        "error": float(np.sqrt(near * (1 - near) / len(found))),
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


def _wrong(known: Field, repetitions: int, again: bool) -> dict[str, float]:
    """Shares of races at budget 1.0 that drop the true best: by doubt, or with equivalence too."""
    sizes = rung_sizes(known.scores.shape[1], 0.05)
    orders = _orders(known, repetitions, again)
    by_doubt = [not certain_only(known, order, sizes) for order in orders]
    whole = [race(known, order, 1.0) for order in orders]
    return {
        "doubt": float(np.mean(by_doubt)),
        "any": float(np.mean([not one.kept_best for one in whole])),
        "beyond_epsilon": float(np.mean([one.lost > 0.005 for one in whole])),
        "spent": float(np.mean([one.evaluations for one in whole]) / known.scores.size),
    }


def _peer(known: Field, number: int, repetitions: int) -> dict[str, Any]:
    from benchmarks.racing.pruners import SETTINGS, study

    setting = SETTINGS[number]
    orders = enumerate(_orders(known, repetitions))
    found = [Outcome(*study(known, order, setting, seed), False) for seed, order in orders]
    return {"pruner": setting.pruner, "label": setting.label, **_summary(known, found)}


def _orders(known: Field, repetitions: int, again: bool = False) -> list[Order]:
    """Query orders, the same for every method: shuffled, or drawn with replacement (`again`)."""
    rng, count = np.random.default_rng(SEED), known.scores.shape[1]
    every = np.arange(count)
    return [rng.choice(every, count) if again else rng.permutation(every) for _ in range(repetitions)]


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))))
