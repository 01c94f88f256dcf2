"""An instant target: `python -m benchmarks.workers.orchestra_bookkeeping VARIANT COUNT FOLDER`.

VARIANT is `bare` (the core alone) or `whole` (with reflection rules and reporters).
"""

from __future__ import annotations

import json
import math
import sys
import time
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from benchmarks.workers.instant import AXES, InstantPlugin
from orchestra_core.engine import Outcome, run_experiment
from orchestra_core.session import Request, Session, open_session

GRID_QUERIES = 10
WARM_UP = 10


def main(variant: str, count: int, folder: Path) -> dict[str, float]:
    """Seconds for the whole run, after a small one that brings in whatever is imported on the way."""
    carry_out(variant, WARM_UP, folder)
    return {"seconds": carry_out(variant, count, folder)}


def carry_out(variant: str, count: int, folder: Path) -> float:
    """Seconds of one run in a fresh home. Raises RuntimeError when not all was done."""
    home = Path(mkdtemp(dir=folder))
    session = open_instant(home, count, whole=variant == "whole")
    began = time.perf_counter()
    outcome = run_experiment(session)
    seconds = time.perf_counter() - began
    check(outcome, home, count, every_rung=variant == "bare")
    return seconds


def open_instant(home: Path, count: int, *, whole: bool) -> Session:
    """A session on `count` configurations, in a fresh home."""
    file = home / "orchestra.yaml"
    file.write_text(json.dumps(experiment(count)), encoding="utf-8")
    others = ("orchestra_reflection_rules.plugin", "orchestra_reporters.plugin") if whole else ()
    return open_session(
        Request(file=file, home=home, environ={}, plugins=others),
        extra_plugins=[("instant", InstantPlugin())],
        discover=False,
    )


def experiment(count: int) -> dict[str, Any]:
    """A space of `count` points, two rungs, no probes in the grid."""
    sizes = (10, *((10, math.ceil(count / 100)) if count > 10 else (1, 1)))
    return {
        "name": "bookkeeping",
        "dataset": "instant",
        "baseline": dict.fromkeys(AXES, 0),
        "space": {axis: list(range(size)) for axis, size in zip(AXES, sizes, strict=True)},
        "stages": {
            "smoke": {"sample": 5},
            "grid": {"sample": GRID_QUERIES, "budget": 1.0, "probe": 0},
            "ab": {"sample": 20},
        },
        "limits": {"requests": 1_000_000},
    }


def check(outcome: Outcome, home: Path, count: int, *, every_rung: bool) -> None:
    """Raises RuntimeError unless all was done that is claimed to be timed."""
    if outcome.error is not None:
        raise RuntimeError(f"the run failed: {outcome.error}")
    grid = [job for job in outcome.report.jobs if job.stage == "grid"]
    files = {len(list((home / job.path).iterdir())) for job in grid}
    if len(grid) != count or files != {3}:
        raise RuntimeError(f"{len(grid)} of {count} jobs, with {sorted(files)} files each")
    if every_rung and outcome.report.evaluations != count * GRID_QUERIES:
        raise RuntimeError(f"only {outcome.report.evaluations} evaluations")


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]))))
