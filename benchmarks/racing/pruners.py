"""Optuna's pruners over the same stored results and the same query order."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import optuna
from optuna.pruners import BasePruner, HyperbandPruner, SuccessiveHalvingPruner, WilcoxonPruner
from optuna.trial import TrialState, create_trial

from benchmarks.racing.fields import Field
from benchmarks.racing.replay import Order

QUERIES = 648
LOOKS = (18, 27, 36, 45, 63, 90, 135, 207, 306, 468, QUERIES)
"""Where WilcoxonPruner is asked. Below 14 queries SciPy enumerates signs, which takes 0.1 s a call."""


@dataclass(frozen=True)
class Setting:
    """A pruner and how it was tuned. `steps`: queries after which it is asked, the last one all."""

    pruner: str
    label: str
    make: Callable[[], BasePruner]
    steps: tuple[int, ...]


def _halving(least: int, factor: int) -> Setting:
    return Setting(
        "SuccessiveHalvingPruner",
        f"min_resource {least}, reduction_factor {factor}",
        lambda: SuccessiveHalvingPruner(min_resource=least, reduction_factor=factor),
        _powers(least, factor),
    )


def _hyperband(least: int, factor: int) -> Setting:
    return Setting(
        "HyperbandPruner",
        f"min_resource {least}, reduction_factor {factor}",
        lambda: HyperbandPruner(min_resource=least, max_resource=QUERIES, reduction_factor=factor),
        _powers(least, factor),
    )


def _wilcoxon(threshold: float) -> Setting:
    label = f"p_threshold {threshold:g}"
    return Setting("WilcoxonPruner", label, lambda: WilcoxonPruner(p_threshold=threshold), steps=LOOKS)


def _powers(least: int, factor: int) -> tuple[int, ...]:
    """The pruner's own rungs: asked in between, it could only decide later than it might."""
    steps = [least]
    while steps[-1] * factor < QUERIES:
        steps.append(steps[-1] * factor)
    return (*steps, QUERIES)


SETTINGS = (
    *(_halving(least, factor) for least in (9, 18, 27, 45) for factor in (2, 3, 4)),
    *(_hyperband(least, factor) for least in (9, 27) for factor in (2, 3, 4)),
    *(_wilcoxon(threshold) for threshold in (0.1, 0.2, 0.3)),
)


def study(field: Field, order: Order, setting: Setting, seed: int) -> tuple[int, int]:
    """Winner and evaluations. Configurations come in random order, each asked `order`."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    tried = [int(i) for i in np.random.default_rng(seed).permutation(len(field.scores))]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # WilcoxonPruner calls itself experimental
        pruner = setting.make()
        # Hyperband deals trials out to its brackets by the study's name.
        running = optuna.create_study(direction="maximize", pruner=pruner, study_name=str(seed))
        ask = _by_query if isinstance(pruner, WilcoxonPruner) else _by_mean
        ends = [ask(running, field.scores[index, order], setting.steps) for index in tried]
    means = {
        i: float(field.scores[i].mean()) for i, end in zip(tried, ends, strict=True) if end is None
    }
    winner = max(means, key=lambda i: means[i], default=tried[0])
    return winner, sum(QUERIES if end is None else end for end in ends)


def _by_mean(running: optuna.Study, scores: Order, steps: tuple[int, ...]) -> int | None:
    """One trial that reports its running mean; after how many queries it was pruned, or None."""
    trial = running.ask()
    means = np.cumsum(scores) / np.arange(1, len(scores) + 1)
    for step in steps:
        trial.report(float(means[step - 1]), step)
        if step < len(scores) and trial.should_prune():
            running.tell(trial, state=TrialState.PRUNED)
            return step
    running.tell(trial, float(means[-1]))
    return None


def _by_query(running: optuna.Study, scores: Order, steps: tuple[int, ...]) -> int | None:
    """One trial that reports each query, as WilcoxonPruner wants it.

    `Trial.report` copies the whole trial for each value, so the pruner is shown made-up trials with the
    same values; those that were pruned it never looks at again.
    """
    values = dict(enumerate(map(float, scores)))
    for step in steps[:-1]:
        seen = {query: values[query] for query in range(step)}
        trial = create_trial(state=TrialState.RUNNING, intermediate_values=seen)
        if running.pruner.prune(running, trial):
            return step
    mean = float(scores.mean())
    running.add_trial(create_trial(value=mean, intermediate_values=values))
    return None
