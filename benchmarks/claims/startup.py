"""How soon `orchestra --help` answers, beside the least that a click program can take."""

from __future__ import annotations

import sys
from functools import partial

from benchmarks.model import Benchmark, Figure, Watch
from benchmarks.processes import ORCHESTRA, ROOT, run
from benchmarks.sampling import in_turns, ratio, told

REACH = 2.5
HELP = "orchestra --help"
CLICK = 'python -c "import click"'
BARE = "python -c pass"
COMMANDS = {
    HELP: (ORCHESTRA, "--help"),
    CLICK: (sys.executable, "-c", "import click"),
    BARE: (sys.executable, "-c", "pass"),
}


def measure(watch: Watch, quick: bool) -> list[Figure]:
    """All commands in turns, after one unmeasured round that fills the caches."""
    repetitions = 5 if quick else 20
    watch.expect(repetitions * len(COMMANDS))
    for command in COMMANDS.values():
        _milliseconds(command)
    arms = {name: partial(_milliseconds, command) for name, command in COMMANDS.items()}
    found = in_turns(arms, repetitions, watch.step)
    times = ratio(found[HELP], found[CLICK])
    return [
        Figure(
            f"`{HELP}` against `{CLICK}`", f"{times:.2f} times", f"≤ {REACH:g} times", times <= REACH
        ),
        *(Figure(f"`{name}`", told(values, "ms", 0)) for name, values in found.items()),
    ]


def _milliseconds(command: tuple[str, ...]) -> float:
    finished = run(command, folder=ROOT)
    if finished.code != 0:
        raise RuntimeError(f"{command[-1]}: exit code {finished.code}: {finished.stderr.strip()}")
    return finished.seconds * 1000


BENCHMARK = Benchmark(
    name="startup",
    claim="`orchestra --help` takes at most 2.5 times as long as a Python that imports click.",
    how="The console script as installed, and the same interpreter with `-c`, each as a process of "
    "its own, in turns, after one unmeasured round.",
    measure=measure,
)
