"""Files beside the jobs: artifacts and units by hash, the chained history of winners."""

from __future__ import annotations

from collections.abc import Iterable

from orchestra_core.artifacts import Home, json_bytes
from orchestra_core.errors import StorageError
from orchestra_core.history import Record, broken_records, read_history, read_origin
from orchestra_core.journal.events import Event
from orchestra_core.journal.lock import is_locked
from orchestra_core.report import Verdict, Winner
from orchestra_core.scheduling.results import ResultFolder
from orchestra_core.stages.publish import winner_record
from orchestra_core.verification.jobs import check_sha256
from orchestra_core.verification.journal import Story
from orchestra_core.verification.ledger import ABSENT, Ledger
from orchestra_core.verification.winners import has_published, may_have_published


def check_artifacts(ledger: Ledger, home: Home, story: Story) -> None:
    """Every artifact still is what ARTIFACT_WRITTEN says."""
    for path, recorded in story.state.artifacts.items():
        check_sha256(ledger, home, home.root / path, recorded)


def check_results(ledger: Ledger, home: Home, events: Iterable[Event]) -> None:
    """The file of every finished unit still has the content that its name says."""
    results = ResultFolder(home.units(ledger.run_id))
    said = [event for event in events if "result" in event.payload]
    ends = [(e.event_type, e.payload.get("unit"), e.payload["result"]) for e in said]
    lost = {(unit, name) for event_type, unit, name in ends if event_type == "UNIT_LOST"}
    for name in dict.fromkeys(str(name) for _, unit, name in ends if (unit, name) not in lost):
        check_sha256(ledger, home, results.path(name), name)


def check_history(ledger: Ledger, home: Home, story: Story) -> None:
    """The chain of winners is whole, and holds this run's record if it published one here.

    The record of a run that was imported is the one that came with it.
    """
    file = home.relative(home.winners)
    published = has_published(story.state)
    came = home.origin(ledger.run_id)
    if published and not home.winners.is_file() and not came.is_file():
        ledger.missing(file, "the file is not there")
        return
    try:
        records = _check_chain(ledger, home, file) if home.winners.is_file() else []
        own = next((record for record in records if record["run_id"] == ledger.run_id), None)
        if published and own is None and came.is_file():
            file = home.relative(came)
            own = (read_origin(home, ledger.run_id) or {}).get("winner")
    except StorageError as error:
        ledger.differs(file, "content", "readable", error.message)
        return
    with ledger.reading(file, f"record of run {ledger.run_id}"):
        if published:
            _check_record(ledger, file, story, own)
        elif own is not None:
            _check_unpublished(ledger, home, file, story)


def _check_chain(ledger: Ledger, home: Home, file: str) -> list[Record]:
    ledger.checked["files"] += 1
    records = read_history(home)
    for run_id in broken_records(records):
        ledger.differs(file, f"record of run {run_id} · hash", "of this record and the last", "another")
    if home.winners.read_bytes() != json_bytes(records):
        ledger.differs(file, "content", "as written", "written otherwise")
    return records


def _check_unpublished(ledger: Ledger, home: Home, file: str, story: Story) -> None:
    """A record of a run that published nothing; only a killed process leaves one before its line."""
    what = f"record of run {ledger.run_id}"
    if not may_have_published(story.state):
        ledger.differs(file, f"{what} · in the journal", "published", ABSENT)
    elif not is_locked(home.lock(ledger.run_id)):
        ledger.missing(file, f"{what}: the journal's PUBLISH_DONE is not there")


def _check_record(ledger: Ledger, file: str, story: Story, own: Record | None) -> None:
    if own is None:
        ledger.missing(file, f"the record of run {ledger.run_id} is not there")
        return
    verdict = Verdict.model_validate(story.state.verdict, strict=False)
    winner = Winner.model_validate((story.state.selected or {})["winner"], strict=False)
    again = winner_record(story.state, verdict, winner, own.get("timestamp", ""))
    recorded = {key: value for key, value in own.items() if key != "hash"}
    ledger.compare(file, f"record of run {ledger.run_id}", recorded, again)
