"""An index over runs: one small file per run and one line per run, rebuilt from the journals at will.

An entry is fresh while its journal has the size it was made from; `entries` remakes those that are not.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from orchestra_core.artifacts import Home, exclusive, json_bytes, write_atomic
from orchestra_core.fingerprints import start_hash
from orchestra_core.journal.log import JournalReader
from orchestra_core.journal.skimming import skim
from orchestra_core.journal.state import RunState

Entry = Mapping[str, Any]


def load_state(home: Home, run_id: str) -> RunState:
    """The fold of one run's journal. Raises RunNotFound."""
    return skim(open_journal(home, run_id))


def open_journal(home: Home, run_id: str) -> JournalReader:
    """A reader of one run's journal. Raises RunNotFound naming the nearest run."""
    from orchestra_core.errors import RunNotFound, nearest

    if not home.has_run(run_id):
        hint = nearest(run_id, home.run_ids()) or "No runs here yet; start one with `orchestra run`."
        raise RunNotFound(f"there is no run '{run_id}'", where=str(home.reports), hint=hint)
    return JournalReader(home.journal(run_id))


def remember(home: Home, run_id: str) -> None:
    """Write or refresh the entry of one run. Raises StorageError."""
    with exclusive(home.reports / "memory" / ".lock"):
        fresh = {**_read_index(home), run_id: make_entry(home, run_id)}
        _write(home, fresh, [run_id])


def rebuild(home: Home) -> int:
    """Make every entry anew from the journals; returns how many there are."""
    with exclusive(home.reports / "memory" / ".lock"):
        fresh = {run_id: make_entry(home, run_id) for run_id in home.run_ids()}
        _write(home, fresh, list(fresh))
    return len(fresh)


def entries(home: Home, make: Callable[[Home, str], Entry] | None = None) -> list[Entry]:
    """One entry per run, by start time; stale or missing ones are read from their journals.

    With `make`, those are made by it.
    """
    known = _read_index(home)
    keys = _entry("", RunState(), JournalReader(home.root)).keys()
    found = []
    for run_id in home.run_ids():
        entry = known.get(run_id)
        size = home.journal(run_id).stat().st_size
        # Other keys: written by another version of Orchestra.
        if entry is None or entry.get("journal_bytes") != size or entry.keys() != keys:
            entry = (make or make_entry)(home, run_id)
        found.append(entry)
    return sorted(found, key=lambda e: (str(e["started_at"] or e["last_event_at"]), str(e["run_id"])))


def altered_entries(home: Home, run_id: str, *, ended: bool = True) -> list[Path]:
    """The index's files that say of a run what its journal does not; those not there say nothing.

    Of a run that has not `ended`, an entry made when its journal was shorter is only stale.
    """
    fresh = make_entry(home, run_id)
    index = home.reports / "memory" / "index.jsonl"
    expected = {home.memory(run_id): json_bytes(fresh), index: _index_line(fresh).encode()}
    known = _read_index(home).get(run_id, {})
    if not ended and known.get("journal_bytes", 0) < fresh["journal_bytes"]:
        return []
    return [
        path
        for path, content in expected.items()
        if path.is_file() and content not in _pieces(path, whole=path != index)
    ]


def _pieces(path: Path, *, whole: bool) -> list[bytes]:
    content = path.read_bytes()
    return [content] if whole else content.splitlines(keepends=True)


def _index_line(entry: Entry) -> str:
    return json.dumps(entry, ensure_ascii=False) + "\n"


def make_entry(home: Home, run_id: str) -> Entry:
    """The entry of one run, from its journal. Raises RunNotFound."""
    reader = open_journal(home, run_id)
    return _entry(run_id, skim(reader), reader)


def _entry(run_id: str, state: RunState, reader: JournalReader) -> Entry:
    experiment = state.started.get("plan", {}).get("experiment", {})
    return {
        "run_id": run_id,
        "name": state.name,
        "status": state.status,
        "started_at": state.started_at,
        "ended_at": state.ended_at,
        "last_event_at": state.last_event_at,
        "plan_hash": state.started.get("plan_hash", ""),
        "start_hash": start_hash(state.started.get("fingerprint", {})),
        "dataset": experiment.get("dataset", ""),
        "runner": state.started.get("runner", ""),
        "backend": state.started.get("backend", ""),
        "configurations": len(state.started.get("plan", {}).get("configurations", ())),
        "stages": {name: progress.status for name, progress in state.stages.items()},
        "decisions": [{k: d[k] for k in ("kind", "rule", "reason")} for d in state.decisions],
        "verdict": state.verdict["kind"] if state.verdict else None,
        "winner": ((state.selected or {}).get("winner") or {}).get("config_id"),
        "published": bool((state.publication or {}).get("published", False)),
        "requests": state.requests,
        "seconds_per_request": (state.ending or {}).get("seconds_per_request"),
        "bad_lines": reader.bad_lines,
        "lost_events": state.lost_events,
        "journal_bytes": reader.position,
    }


def _read_index(home: Home) -> dict[str, Entry]:
    path = home.reports / "memory" / "index.jsonl"
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        found = [json.loads(line) for line in lines]
        return {entry["run_id"]: entry for entry in found}
    except (OSError, ValueError, KeyError, TypeError):
        return {}  # only a cache: whatever is wrong with it, the journals are read instead


def _write(home: Home, index: Mapping[str, Entry], changed: list[str]) -> None:
    for run_id in changed:
        write_atomic(home.memory(run_id), json_bytes(index[run_id]))
    lines = [_index_line(index[run_id]) for run_id in sorted(index)]
    write_atomic(home.reports / "memory" / "index.jsonl", "".join(lines).encode())
