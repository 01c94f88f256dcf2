"""kill -9 of the service in the middle of two runs, then a restart with --resume."""

from __future__ import annotations

import os
import random
import signal
import time
from contextlib import suppress
from pathlib import Path

from benchmarks.model import Benchmark, Figure, Watch
from benchmarks.serving import Served, serving
from benchmarks.workspace import fresh_folder


def measure(watch: Watch, quick: bool) -> list[Figure]:
    """Kill after a random while, sometimes the workers too, until all rounds are done."""
    rounds = 2 if quick else 8
    watch.expect(rounds)
    chance = random.Random(20251107)  # noqa: S311 # so that it can be repeated
    finished = repeated = lost = resumed = 0
    for number in range(rounds):
        watch.step(f"round {number + 1}")
        found = _round(chance.uniform(0.0, 6.0), workers_too=number % 2 == 0)
        finished += found[0]
        repeated += found[1]
        lost += found[2]
        resumed += found[3]
    runs = 2 * rounds
    return [
        Figure("runs that finished", f"{finished} of {runs}", f"{runs}", finished == runs),
        Figure("finished units asked again", str(repeated), "0", repeated == 0),
        Figure("finished units lost", str(lost), "0", lost == 0),
        Figure("runs that were resumed", f"{resumed}; the others' workers outlived the service"),
    ]


def _round(seconds: float, *, workers_too: bool) -> tuple[int, int, int, int]:
    """(finished, repeated units, lost units, resumed) of two runs."""
    home = fresh_folder()
    with serving(home) as served:
        runs = [served.start() for _ in range(2)]
        time.sleep(seconds)  # from before they have journals
        pid = served.process.pid
        workers = Path(f"/proc/{pid}/task/{pid}/children").read_text().split() if workers_too else ()
        for each in (pid, *map(int, workers)):
            with suppress(ProcessLookupError):
                os.kill(each, signal.SIGKILL)
        before = {run_id: set(_units(served, run_id)) for run_id in runs}
    with serving(home, "--resume") as served:
        states = [served.wait(run_id)["status"] for run_id in runs]
        after = {run_id: _units(served, run_id) for run_id in runs}
        kinds = [e["event_type"] for run_id in runs for e in served.journal(run_id)]
    repeated = sum(len(units) - len(set(units)) for units in after.values())
    lost = sum(len(before[run_id] - set(after[run_id])) for run_id in runs)
    return states.count("completed"), repeated, lost, kinds.count("RUN_RESUMED")


def _units(served: Served, run_id: str) -> list[str]:
    return [e["payload"]["unit"] for e in served.journal(run_id) if e["event_type"] == "UNIT_DONE"]


BENCHMARK = Benchmark(
    name="service_kill",
    claim="kill -9 of the service in the middle of two runs, then a restart with `--resume`: both "
    "finish, and no finished unit is asked again.",
    how="Eight rounds with two built-in FiQA runs each, killed after 0 to 6 s and so also while "
    "their processes start; in every other round those are killed with the service.",
    measure=measure,
)
