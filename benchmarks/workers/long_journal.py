"""Grow a journal to a million events: `python -m benchmarks.workers.long_journal EVENTS HOME`.

It is that of a run which was begun and killed; half of the events are starts of units, half their ends.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

from orchestra_core.artifacts import Home
from orchestra_core.journal.events import EventType
from orchestra_core.journal.log import JournalReader, JournalWriter

KEY = "0123456789abcdef" * 4
BATCH, MEASURED, ROUNDS = 1000, 500, 5


def main(events: int, root: Path, template: Path) -> dict[str, Any]:
    """Microseconds per event, appended one by one to a journal just opened, by its length."""
    home, run_id = Home(root), "long"
    writer = JournalWriter(home.journal(run_id), run_id, create=True)
    first = next(iter(JournalReader(template)))
    writer.append(first.event_type, first.payload)
    writer.append(EventType.GRID_STARTED, {"configurations": 162, "evaluations": events})
    length, costs = 2, {}
    sizes = [size for size in (1_000, 10_000, 100_000, 1_000_000) if size <= events]
    for size in sizes:
        while length < size - BATCH:
            writer.append_all(_units(BATCH))
            length += BATCH
        costs[size] = round(1e6 * median(_cost(home, run_id) for _ in range(ROUNDS)), 1)
        length += MEASURED * ROUNDS
    return {"run_id": run_id, "events": length, "us_per_event": costs}


def _cost(home: Home, run_id: str) -> float:
    """Seconds per event, opening the journal included."""
    began = time.perf_counter()
    writer = JournalWriter(home.journal(run_id), run_id)
    for _ in range(MEASURED):
        writer.append(EventType.UNIT_STARTED, {"unit": KEY})
    writer.close()
    return (time.perf_counter() - began) / MEASURED


def _units(count: int) -> list[tuple[EventType, dict[str, Any]]]:
    place = {"stage": "grid", "rung": 3, "kind": "evaluate", "configurations": 1, "queries": 25}
    figures = {"requests": 25, "repetitions": 0, "cost_usd": 0.0, "failures": {}, "seconds": 0.125}
    done = {**place, **figures, "unit": KEY, "result": KEY}
    pair = [(EventType.UNIT_STARTED, {"unit": KEY}), (EventType.UNIT_DONE, done)]
    return pair * (count // 2)


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]), Path(sys.argv[2]), Path(sys.argv[3]))))
