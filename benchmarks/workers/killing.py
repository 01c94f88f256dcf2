"""Kill real runs, go on with them, compare: `python -m benchmarks.workers.killing KILLS SEED FOLDER`.

Every run is killed (SIGKILL) at moments drawn evenly over the time an undisturbed one takes, and gone
on with after each, until it ends. Then the next run begins, until there were so many kills.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from benchmarks.processes import ORCHESTRA, clean_environ
from orchestra_core.artifacts import Home
from orchestra_core.journal.events import Event
from orchestra_core.journal.log import JournalReader
from orchestra_core.journal.state import RunState, fold

RUN = ("run", "--plugins", "fiqa", "--quiet", "--set", "stages.grid.probe=0")
QUALITY = ("recall@10", "ndcg@10", "mrr@10", "judged@10", "count", "failures")


def main(kills: int, seed: int, folder: Path) -> dict[str, Any]:
    """Figures over all runs."""
    chance = random.Random(seed)  # noqa: S311 - when to kill is no secret
    began = time.monotonic()
    undisturbed = carried(Path(mkdtemp(dir=folder)), [])
    seconds = time.monotonic() - began
    found: Counter[str] = Counter()
    while found["kills"] < kills:
        home = Path(mkdtemp(dir=folder))
        left = kills - found["kills"]
        moments = iter([chance.uniform(0, seconds) for _ in range(left)])
        seen: list[Event] = []
        events = carried(home, moments, found, seen)
        found["runs"] += 1
        found["identical"] += told(events) == told(undisturbed)
        found["quarantined"] += sum("quarantined" in e.payload.get("failures", {}) for e in events)
        found.update(repeated_and_lost(home, events, seen))
    return {**found, "seconds_undisturbed": round(seconds, 2)}


def carried(
    home: Path, moments: Any, found: Counter[str] | None = None, seen: Any = None
) -> list[Event]:
    """The journal of a run that was killed at the moments, one after the other, and gone on with."""
    found = Counter() if found is None else found
    words = RUN
    while True:
        process = subprocess.Popen(
            [ORCHESTRA, *words],
            cwd=home,
            env=clean_environ(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            _, said = process.communicate(timeout=next(moments, None) if moments else None)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            found["kills"] += 1
        else:
            if process.returncode != 0:
                raise RuntimeError(f"exit code {process.returncode}: {said.strip()[-400:]}")
            return journal(home)
        events = journal(home)
        if seen is not None:
            seen += [e for e in events if e.event_type == "UNIT_DONE"]
        begun = bool(events) and events[0].event_type == "RUN_STARTED"
        words = ("resume", "latest", "--quiet") if begun else RUN
        found["before_it_began"] += not begun


def journal(home: Path) -> list[Event]:
    """The events of the only run, none before it began."""
    run_ids = Home(home).run_ids()
    return list(JournalReader(Home(home).journal(run_ids[0]))) if run_ids else []


def told(events: list[Event]) -> dict[str, Any]:
    """What a run found, without what a clock says."""
    state = fold(events)
    return {
        "jobs": [
            (j["stage"], j["config_id"], [j["metrics"].get(m) for m in QUALITY])
            for j in state.jobs.values()
        ],
        "rungs": [(r["rung"], sorted(r["survivors"]), r["evaluations"]) for r in state.rungs],
        "decisions": [(d["stage"], d["rung"], d["kind"], d["rule"]) for d in state.decisions],
        "verdict": verdict(state),
        "winner": (state.selected or {})["winner"]["config_id"],
        "published": (state.publication or {})["published"],
    }


def verdict(state: RunState) -> list[Any]:
    found = state.verdict or {}
    rows = [row for row in found["diff_table"] if row["metric"] in QUALITY]
    return [found["kind"], found["queries"], found["wins"], found["ties"], found["losses"], rows]


def repeated_and_lost(home: Path, events: list[Event], seen: list[Event]) -> Counter[str]:
    """Units that were asked or recorded again after they were done, or done and then gone."""
    state = fold(events)
    units = Home(home).units(state.run_id)
    done: Counter[str] = Counter()
    repeated = 0
    for event in events:
        key = event.payload.get("unit")
        repeated += event.event_type in {"UNIT_STARTED", "UNIT_DONE"} and done[key] > 0
        done[key] += event.event_type == "UNIT_DONE"
    kept = {(e.payload["unit"], e.payload["result"]) for e in events if e.event_type == "UNIT_DONE"}
    gone = {(e.payload["unit"], e.payload["result"]) for e in seen} - kept
    files = [name for _, name in kept if not (units / f"{name}.jsonl.gz").is_file()]
    return Counter(units=len(kept), repeated=repeated, lost=len(gone) + len(files))


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))))
