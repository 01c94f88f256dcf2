"""Carry out `orchestra run` as a user does, in a fresh home and with a cache of the benchmark's own."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestra_fiqa_runner.data.cache import data_folder

from benchmarks.processes import ORCHESTRA, ROOT, Finished, run
from benchmarks.workspace import fresh_folder


@dataclass(frozen=True)
class FinishedRun:
    """One run and what it left."""

    process: Finished
    outcome: dict[str, Any]
    """What `orchestra run --json` printed."""
    plan: dict[str, Any]
    """From the journal."""
    home: Path

    @property
    def scores(self) -> dict[tuple[str, ...], dict[str, float]]:
        """(stage, config_id, query_id) → metric → value, of everything that was asked."""
        prefix = f"{self.outcome['run_id']}-"
        found = {}
        for folder in (self.home / ".runs").glob(f"{prefix}*"):
            stage, config_id = folder.name.removeprefix(prefix).split("-", 1)
            for line in (folder / "queries.jsonl").read_text(encoding="utf-8").splitlines():
                query = json.loads(line)
                found[stage, config_id, query["query_id"]] = query["scores"]
        return found

    @property
    def verdict(self) -> str:
        """`win`, `no_difference`, `regression` or `inconclusive`; the status when there is none."""
        verdict = self.outcome["verdict"]
        return str(verdict["kind"] if verdict else self.outcome["status"])

    @property
    def winner(self) -> str:
        """The winner's config_id, or nothing."""
        winner = self.outcome["winner"]
        return str(winner["config_id"]) if winner else ""

    @property
    def alpha(self) -> float:
        """The winner's fusion weight; 0 when there is no winner."""
        winner = self.outcome["winner"] or {"parameters": {}}
        return float(winner["parameters"].get("alpha", 0.0))

    @property
    def configurations(self) -> int:
        """Configurations of the plan's space."""
        return len(self.plan["configurations"])


def fresh_cache(dataset: str) -> Path:
    """A cache folder that holds the datasets and no index; `dataset` is fetched first if need be."""
    pulled = run([ORCHESTRA, "data", "pull", dataset], folder=ROOT)
    if pulled.code != 0:
        raise RuntimeError(f"cannot fetch {dataset}: {pulled.stderr.strip()}")
    cache = fresh_folder()
    shutil.copytree(data_folder(), cache / "datasets")
    return cache


def run_fiqa(cache: Path, assignments: Sequence[str] = ()) -> FinishedRun:
    """`orchestra run --plugins fiqa` in an empty folder. Raises RuntimeError when it tells nothing."""
    home = fresh_folder()
    settings = [part for assignment in assignments for part in ("--set", assignment)]
    command = [ORCHESTRA, "run", "--plugins", "fiqa", "--json", "--home", str(home), *settings]
    process = run(command, folder=home, environ={"ORCHESTRA_CACHE_DIR": str(cache)})
    outcome = process.json()
    return FinishedRun(process, outcome, _plan(home, outcome["run_id"]), home)


def _plan(home: Path, run_id: str) -> dict[str, Any]:
    journal = home / "reports" / "events" / f"{run_id}.jsonl"
    with journal.open(encoding="utf-8") as stream:
        events = map(json.loads, stream)
        started = next(event for event in events if event["event_type"] == "RUN_STARTED")
    plan: dict[str, Any] = started["payload"]["plan"]
    return plan
