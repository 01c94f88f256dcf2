"""An instant objective: `python -m benchmarks.workers.optuna_bookkeeping SAMPLER N FOLDER`."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from tempfile import mkdtemp

import optuna
from optuna.samplers import BaseSampler, GridSampler, RandomSampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

AXES = ("a", "b", "c")
RUNGS = 2
SEED = 20251107
WARM_UP = 10


def main(sampler: str, trials: int, folder: Path) -> dict[str, float]:
    """Seconds for all trials, after a small study that brings in whatever is imported on the way."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    carry_out(sampler, WARM_UP, folder)
    return {"seconds": carry_out(sampler, trials, folder)}


def carry_out(sampler: str, trials: int, folder: Path) -> float:
    """Seconds of one study in a fresh folder. Raises RuntimeError when not all was done."""
    journal = Path(mkdtemp(dir=folder)) / "journal.log"
    began = time.perf_counter()
    study = optuna.create_study(
        direction="maximize",
        storage=JournalStorage(JournalFileBackend(str(journal))),
        sampler=make_sampler(sampler),
        pruner=optuna.pruners.NopPruner(),
    )
    study.optimize(objective, n_trials=trials)
    seconds = time.perf_counter() - began
    done = len(study.trials)
    if done != trials:
        raise RuntimeError(f"{done} of {trials} trials were carried out")
    return seconds


def make_sampler(name: str) -> BaseSampler:
    """The sampler over the space of 10 × 10 × 10 points."""
    if name == "grid":
        return GridSampler({axis: list(range(10)) for axis in AXES}, seed=SEED)
    return RandomSampler(seed=SEED)


def objective(trial: optuna.Trial) -> float:
    """A sum, told once per rung."""
    value = float(sum(trial.suggest_int(axis, 0, 9) for axis in AXES))
    for rung in range(RUNGS):
        trial.report(value, rung)
    return value


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))))
