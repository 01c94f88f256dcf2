"""What the engine itself costs per configuration, beside what Optuna costs per trial."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmarks.model import Benchmark, Figure, Watch
from benchmarks.processes import run_worker
from benchmarks.sampling import in_turns, ratio, told
from benchmarks.workspace import folder_in_memory, fresh_folder

REACH = 0.5
CONFIGURATIONS = 1000
BARE = "Orchestra, engine alone"
WHOLE = "Orchestra with reflection_rules and reporters"
RANDOM = "Optuna, RandomSampler"
GRID = "Optuna, GridSampler"
WORKERS = {
    BARE: ("orchestra_bookkeeping", "bare"),
    RANDOM: ("optuna_bookkeeping", "random"),
    WHOLE: ("orchestra_bookkeeping", "whole"),
    GRID: ("optuna_bookkeeping", "grid"),
}
IN_TURNS = (BARE, RANDOM, WHOLE)
ON_DISK, IN_MEMORY = "on disk", "in memory"


def measure(watch: Watch, quick: bool) -> list[Figure]:
    """Each repetition is a fresh process with a fresh folder."""
    repetitions, count = (2, 200) if quick else (7, CONFIGURATIONS)
    watch.expect(2 * repetitions * len(IN_TURNS) + 1)
    on_disk = in_turns(_arms(count, fresh_folder()), repetitions, watch.step)
    with folder_in_memory() as memory:
        in_memory = in_turns(_arms(count, memory), repetitions, watch.step)
    watch.step(GRID)
    grid = [_milliseconds(GRID, count, fresh_folder())]
    return [
        _ratio(BARE, on_disk, ON_DISK, REACH),
        _ratio(BARE, in_memory, IN_MEMORY),
        _ratio(WHOLE, on_disk, ON_DISK),
        _ratio(WHOLE, in_memory, IN_MEMORY),
        *(_time(name, ON_DISK, values) for name, values in {**on_disk, GRID: grid}.items()),
        *(_time(name, IN_MEMORY, values) for name, values in in_memory.items()),
    ]


def _arms(count: int, folder: Path) -> dict[str, Callable[[], float]]:
    return {name: partial(_milliseconds, name, count, folder) for name in IN_TURNS}


def _milliseconds(name: str, count: int, folder: Path) -> float:
    module, variant = WORKERS[name]
    return float(run_worker(module, variant, count, folder)["seconds"]) / count * 1000


def _ratio(name: str, found: dict[str, list[float]], where: str, reach: float | None = None) -> Figure:
    times = ratio(found[name], found[RANDOM])
    what = f"{name}, per configuration, over Optuna per trial; files {where}"
    if reach is None:
        return Figure(what, f"{times:.2f}")
    return Figure(what, f"{times:.2f}", f"≤ {reach:g}", times <= reach)


def _time(name: str, where: str, milliseconds: list[float]) -> Figure:
    unit = "configuration" if name.startswith("Orchestra") else "trial"
    return Figure(f"{name}, per {unit}; files {where}", told(milliseconds, "ms", 2))


BENCHMARK = Benchmark(
    name="bookkeeping",
    claim="With a target that answers at once, Orchestra takes at most half as long per configuration "
    "as Optuna takes per trial.",
    how="A space of 10 × 10 × 10 points, a target that costs nothing, two rungs (5 and 10 queries), "
    "every configuration in both. Orchestra's time is all of `run_experiment`: plan, smoke, "
    "grid, A/B, journal, memory, 10 scored rankings and a folder with `metrics.json`, "
    "`queries.jsonl` and `run.trec.gz` per configuration. Optuna's is all of `study.optimize` "
    "with `JournalStorage` on a `JournalFileBackend`: logging silenced, no pruning, three "
    "parameters and two reported values per trial; the peer is RandomSampler, by far the faster "
    "of two (GridSampler is shown). Each repetition is a fresh process that first makes a run "
    "(or study) of 10, untimed, so that imports count on neither side. Durability differs: "
    "Optuna syncs every record to disk, Orchestra syncs its journal when something ends (a "
    "rung, a decision, a stage) and leaves job folders to the kernel. So all is measured again "
    "in memory, where syncing costs nothing: what is left is the work itself, and Orchestra "
    "scores rankings and writes evidence for which Optuna has no counterpart.",
    measure=measure,
)
