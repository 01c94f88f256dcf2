"""The history of published winners: `reports/winners.final.json`, a hash-chained list.

Each record's hash covers the record and the hash before it, so an altered or removed record shows.
Two runs that finish at the same moment take turns under the kernel's lock; none is lost.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from orchestra_core.artifacts import Home, exclusive, json_bytes, storage_damage, write_atomic
from orchestra_core.errors import StorageError
from orchestra_core.plan import sha256_of

Record = dict[str, Any]


def read_history(home: Home) -> list[Record]:
    """All records, oldest first. Raises StorageError when the file is not readable as such."""
    if not home.winners.exists():
        return []
    try:
        records = json.loads(home.winners.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        raise _unreadable(home, str(error)) from None
    if not isinstance(records, list) or not all(is_record(record) for record in records):
        raise _unreadable(home, "expected a list of records, each with a run_id and a hash")
    return records


def record_of(home: Home, run_id: str) -> Record | None:
    """A run's record: in the history here, or as it came with the run. Raises StorageError."""
    own = (record for record in read_history(home) if record["run_id"] == run_id)
    return next(own, None) or (read_origin(home, run_id) or {}).get("winner")


def read_origin(home: Home, run_id: str) -> Record | None:
    """What came with a run that was imported: `run_id, winner`. Raises StorageError."""
    path = home.origin(run_id)
    if not path.exists():
        return None
    with storage_damage(path):
        found = json.loads(path.read_bytes())
        if found["winner"] is not None and not is_record(found["winner"], run_id):
            raise ValueError("it is of another run")
        return dict(found)


def add_winner(home: Home, record: Mapping[str, Any]) -> bool:
    """Append a record (`run_id, timestamp, winner, ab_diff, grid_decision`) with its hash.

    False when that run's winner is there already. Raises StorageError.
    """
    with exclusive(home.reports / ".winners.lock"):
        records = read_history(home)
        if any(known.get("run_id") == record["run_id"] for known in records):
            return False
        previous = records[-1]["hash"] if records else ""
        chained = {**record, "hash": record_hash(record, previous)}
        write_atomic(home.winners, json_bytes([*records, chained]))
    return True


def record_hash(record: Mapping[str, Any], previous: str) -> str:
    """SHA-256 over the record without its hash, and the hash of the record before it."""
    content = {key: value for key, value in record.items() if key != "hash"}
    return sha256_of({"record": content, "previous": previous})


def broken_records(records: list[Record]) -> list[str]:
    """Run ids of records whose hash does not fit."""
    broken = []
    previous = ""
    for record in records:
        if record.get("hash") != record_hash(record, previous):
            broken.append(str(record.get("run_id")))
        previous = str(record.get("hash"))
    return broken


def is_record(record: object, run_id: str = "") -> bool:
    """Whether it may be a record; of that run, if one is said."""
    if not isinstance(record, dict) or not {"run_id", "hash"} <= record.keys():
        return False
    return not run_id or record["run_id"] == run_id


def _unreadable(home: Home, cause: str) -> StorageError:
    return StorageError(
        f"the history of winners is not readable: {cause}",
        where=str(home.winners),
        hint="Move the file away; the next published winner begins a new history.",
    )
