"""Sitting: one process's turn at a run. A run has one, or as many as it was resumed plus one.

Whoever sits holds the run's lock; the recorder writes only what the journal does not say already.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from orchestra_core.artifacts import Home, remove
from orchestra_core.errors import UsageError
from orchestra_core.journal.lock import RunLock
from orchestra_core.journal.log import JournalReader, JournalWriter
from orchestra_core.journal.past import Past, read_past
from orchestra_core.journal.recorder import Listener, Recorder
from orchestra_core.names import make_run_id
from orchestra_core.payloads import Executor
from orchestra_core.plan import Plan
from orchestra_core.scheduling.budget import Budget
from orchestra_core.scheduling.keys import UnitKeys
from orchestra_core.scheduling.source import Ask, UnitSource
from orchestra_core.scheduling.store import Earlier


@dataclass
class Sitting:
    """What a process needs to carry a run."""

    recorder: Recorder
    past: Past = field(default_factory=Past)
    earlier: Earlier | None = None
    """Another run whose results are taken where they hold."""
    asks: Literal["anything", "tried", "nothing"] = "anything"

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.recorder.run_id

    @property
    def is_resumed(self) -> bool:
        """Whether the run was begun by another sitting."""
        return self.past.started is not None

    def units(self, home: Home, plan: Plan, executor: Executor, ask: Ask, budget: Budget) -> UnitSource:
        """Where the run's units come from, once it has begun."""
        keys = UnitKeys(plan, self.recorder.state.started["fingerprint"])
        return UnitSource(
            home, plan, self.recorder, executor, ask, budget, keys, self.past, self.earlier, self.asks
        )

    def resumption(self) -> dict[str, Any]:
        """What RUN_RESUMED says. What was begun is known from the start of it."""
        failed = [failed.unit for failed in self.past.state.failed_units]
        return {**whoever_sits(), "asked_again": failed}


def whoever_sits() -> dict[str, Any]:
    """This process, as RUN_STARTED and RUN_RESUMED name it."""
    return {"pid": os.getpid(), "host": platform.node()}


@contextmanager
def new_sitting(
    home: Home,
    plan: Plan,
    listeners: Sequence[Listener],
    earlier: Earlier | None = None,
    run_id: str | None = None,
) -> Iterator[Sitting]:
    """The first sitting of a new run, which has a lock and an empty journal.

    Raises UsageError when there is a run of that id already, StorageError.
    """
    run_id = run_id or make_run_id(plan.experiment.name)
    lock = RunLock(home.lock(run_id))
    try:
        if home.has_run(run_id):
            raise UsageError(f"there is a run '{run_id}' already", hint="Give the new one another id.")
        remove(home.journal(run_id))  # an empty one, of a process that was killed before it began
        writer = JournalWriter(home.journal(run_id), run_id, create=True)
        yield Sitting(Recorder(run_id, writer, listeners), earlier=earlier)
    finally:
        lock.release()


@contextmanager
def further_sitting(home: Home, run_id: str, listeners: Sequence[Listener]) -> Iterator[Sitting]:
    """A further sitting of a run. Raises RunInUse while another process sits, StorageError."""
    lock = RunLock(home.lock(run_id))
    try:
        past = read_past(JournalReader(home.journal(run_id)))  # under the lock: nobody adds to it
        writer = JournalWriter(home.journal(run_id), run_id)
        recorder = Recorder(run_id, writer, listeners, past)
        if past.started is not None:
            recorder.restore(past.started)
        try:
            yield Sitting(recorder, past)
        finally:
            recorder.close()
    finally:
        lock.release()
