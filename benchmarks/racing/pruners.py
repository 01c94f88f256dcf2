"""Optuna's pruners over the same stored results and the same query order."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import optuna
from optuna.pruners import BasePruner, HyperbandPruner, SuccessiveHalvingPruner, WilcoxonPruner

from benchmarks.racing.fields import Field
from benchmarks.racing.replay import Order

STEPS = (9, 18, 27, 45, 63, 90, 135, 207, 306, 468, 648)
BLOCK = 9
"""WilcoxonPruner is told the means of blocks of so many queries: one by one, a study takes minutes."""


@dataclass(frozen=True)
class Setting:
    """A pruner and how it was tuned. `per_query`: it compares blocks of queries, not running means."""

    pruner: str
    label: str
    make: Callable[[], BasePruner]
    per_query: bool = False


def _halving(least: int, factor: int) -> Setting:
    label = f"min_resource {least}, reduction_factor {factor}"
    return Setting(
        "SuccessiveHalvingPruner",
        label,
        lambda: SuccessiveHalvingPruner(min_resource=least, reduction_factor=factor),
    )


def _hyperband(least: int, factor: int) -> Setting:
    label = f"min_resource {least}, reduction_factor {factor}"
    return Setting(
        "HyperbandPruner",
        label,
        lambda: HyperbandPruner(min_resource=least, max_resource=648, reduction_factor=factor),
    )


def _wilcoxon(threshold: float, startup: int) -> Setting:
    label = f"p_threshold {threshold:g}, n_startup_steps {startup}"
    return Setting(
        "WilcoxonPruner",
        label,
        lambda: WilcoxonPruner(p_threshold=threshold, n_startup_steps=startup),
        per_query=True,
    )


SETTINGS = (
    *(_halving(least, factor) for least in (9, 18, 45) for factor in (2, 4)),
    *(_hyperband(least, factor) for least in (9, 45) for factor in (3,)),
    *(_wilcoxon(threshold, startup) for threshold in (0.1, 0.3) for startup in (2,)),
)


def study(field: Field, order: Order, setting: Setting, seed: int) -> tuple[int, int]:
    """Winner and evaluations. Configurations come in random order, each asked `order`, pruned at
    STEPS."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # WilcoxonPruner calls itself experimental
        running = optuna.create_study(direction="maximize", pruner=setting.make())
    tried = np.random.default_rng(seed).permutation(len(field.scores))
    spent, best, winner = 0, -1.0, int(tried[0])
    for index in map(int, tried):
        trial = running.ask()
        asked, pruned = _run(trial, field.scores[index, order], setting)
        spent += asked
        mean = float(field.scores[index, order[:asked]].mean())
        state = optuna.trial.TrialState.PRUNED if pruned else optuna.trial.TrialState.COMPLETE
        running.tell(trial, None if pruned else mean, state=state)
        if not pruned and mean > best:
            best, winner = mean, index
    return winner, spent


def _run(trial: optuna.Trial, scores: Order, setting: Setting) -> tuple[int, bool]:
    """Queries asked, and whether the pruner stopped it before the last."""
    means = np.cumsum(scores) / np.arange(1, len(scores) + 1)
    reported = 0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for step in STEPS:
            if setting.per_query:
                for query in range(reported, step, BLOCK):
                    trial.report(float(scores[query : query + BLOCK].mean()), query // BLOCK)
                reported = step
            else:
                trial.report(float(means[step - 1]), step)
            if step < len(scores) and trial.should_prune():
                return step, True
    return len(scores), False
