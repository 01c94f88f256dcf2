"""Replay: go through a run once more with nothing but its journal and stored results.

The same stages derive the same events, and the same reporters write the same artifacts, in a folder of
their own; whatever is not what the run recorded is a finding. Nothing is sent.
"""

from __future__ import annotations

import math
import shutil
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from orchestra_core.artifacts import Home, storage_damage
from orchestra_core.datasets import Dataset
from orchestra_core.engine import STAGES
from orchestra_core.errors import OrchestraError, RunChanged
from orchestra_core.evaluation.metrics import Scorer, metric_names
from orchestra_core.journal.events import Event
from orchestra_core.journal.log import JournalWriter
from orchestra_core.journal.memory import open_journal
from orchestra_core.journal.past import ANEW, JOBS, Past, read_past
from orchestra_core.journal.recorder import Recorder
from orchestra_core.journal.reporting import build_report, plan_of
from orchestra_core.journal.state import RunState
from orchestra_core.payloads import DescribeRequest
from orchestra_core.plan import Plan
from orchestra_core.plugins.calls import HookCalls
from orchestra_core.recorded import Nobody, RecordedRunner, ask_nobody
from orchestra_core.rerender import render, whole_state
from orchestra_core.resuming import check_resumable
from orchestra_core.scheduling.budget import Budget
from orchestra_core.scheduling.keys import UnitKeys
from orchestra_core.scheduling.source import UnitSource
from orchestra_core.session import folder_of, open_dataset
from orchestra_core.stages.context import RunContext
from orchestra_core.telling.units import counted
from orchestra_core.verification.derived import DerivedFiles
from orchestra_core.verification.files import check_history, check_results
from orchestra_core.verification.journal import Story
from orchestra_core.verification.ledger import ABSENT, Ledger

ACTS = frozenset({"GUARD_RULING", "PLUGIN_ERROR", "PUBLISH_STARTED", "PUBLISH_DONE"})
"""What was done or ruled once, and does not follow from results; policies besides."""
_SAID = ("comparable", "not_comparable_because")
"""Of a job: what was seen of the index then."""


def replay_run(home: Home, run_id: str, calls: HookCalls, *, write: bool = False) -> Ledger:
    """Derive everything again, and note what is not as recorded; with `write`, put files back.

    `calls`: the plugins that took part, with the run's settings. Raises RunNotFound, RunChanged,
    StorageError, DataError.
    """
    state = whole_state(home, run_id)
    check_resumable(state)
    plan = plan_of(state)
    dataset = open_dataset(calls, plan.experiment.dataset, folder=folder_of(home, state.started))
    ledger = Ledger(run_id)
    check_results(ledger, home, open_journal(home, run_id))
    past = read_past(open_journal(home, run_id), resuming=False)
    with TemporaryDirectory(prefix="orchestra-replay-") as place:
        scratch = Home(Path(place), home.reports_dir, home.runs_dir)
        fresh = _derive(_Stage(home, scratch, plan, dataset, calls, past), ledger)
        _compare_events(ledger, home, past, fresh)
        render(build_report(state), scratch.report_folder(run_id), calls)
        for job_id in past.void_jobs:  # what lies there is written anew when the run goes on
            shutil.rmtree(scratch.job(job_id), ignore_errors=True)
        DerivedFiles(ledger, home, state, _files(scratch)).compare(write=write)
    check_history(ledger, home, Story(home.relative(home.journal(run_id)), state))
    _check_end(ledger, home)
    return ledger


def _files(scratch: Home) -> dict[str, bytes]:
    events = scratch.reports / "events"
    paths = sorted(p for p in scratch.root.rglob("*") if p.is_file() and events not in p.parents)
    return {scratch.relative(path): path.read_bytes() for path in paths}


def _check_end(ledger: Ledger, home: Home) -> None:
    """A torn last line may have been acknowledged, or not."""
    path = home.journal(ledger.run_id)
    with storage_damage(path):
        if not path.read_bytes().endswith(b"\n"):
            ledger.missing(home.relative(path), "the last line is cut off; what it said is not known")


@dataclass(frozen=True)
class _Stage:
    """What a replay works with: the run's home to read, a scratch home to write."""

    home: Home
    scratch: Home
    plan: Plan
    dataset: Dataset
    calls: HookCalls
    past: Past

    def context(self, recorder: Recorder) -> RunContext:
        """As the engine makes it, but with nobody to ask."""
        run_id, started = recorder.run_id, recorder.state.started
        budget = Budget(
            self.plan.experiment.limits.model_copy(update={"wall": math.inf, "stage": None})
        )
        request = DescribeRequest(self.plan.experiment.dataset, started["backend"])
        objective = self.plan.experiment.objective.maximize
        units = UnitSource(
            self.home,
            self.plan,
            recorder,
            Nobody(),
            ask_nobody,
            budget,
            UnitKeys(self.plan, started["fingerprint"]),
            self.past,
            asks="nothing",
        )
        return RunContext(
            run_id=run_id,
            home=self.scratch,
            plan=self.plan,
            dataset=self.dataset,
            description=self.calls.describe_runner(started["runner"], request),
            runner=RecordedRunner(started["fingerprint"], partial(_was_well, self.past, recorder)),
            units=units,
            calls=self.calls,
            recorder=recorder,
            scorer=Scorer(metric_names(objective), self.dataset.qrels),
            budget=budget,
            queries={query.query_id: query for query in self.dataset.judged_queries()},
        )


@dataclass
class _Derived:
    """What came about that is not on record."""

    events: list[tuple[Event, int]] = field(default_factory=list)
    """Each with how much was on record and not taken when it came about."""
    left: int = 0
    """The same at the end: what came about with no more than that left is beyond the record."""
    is_whole: bool = True
    """False where results are lost, so that not all could be derived."""


def _derive(stage: _Stage, ledger: Ledger) -> _Derived:
    """Go through the stages, as far as the run came."""
    run_id, started, past = ledger.run_id, stage.past.started, stage.past
    found = _Derived(is_whole=not ledger.findings)
    writer = JournalWriter(stage.scratch.journal(run_id), run_id, create=True)
    listener = partial(_note, found, past)
    recorder = Recorder(run_id, writer, [listener], past)
    try:
        if started is not None:
            recorder.restore(started)
        context = stage.context(recorder)
        for planned in stage.plan.stages:
            if planned.name != "publish":
                STAGES[planned.name].run(context)
    except RunChanged as error:
        file = stage.home.relative(stage.home.journal(run_id))
        ledger.differs(file, "events", "as derived", error.message)
    except OrchestraError as error:
        # As far as the run came; a finished one must be derivable to its end.
        if past.state.status == "completed" and found.is_whole:
            ledger.missing(stage.home.relative(stage.home.journal(run_id)), str(error))
            found.is_whole = False
    finally:
        recorder.close()
    found.left = _untaken(past)
    return found


def _was_well(past: Past, recorder: Recorder) -> bool:
    """Whether the target was well when the run had come this far."""
    if past.unwell is None or any(past.units.values()):
        return True
    return recorder.state.step != (past.unwell.get("stage"), past.unwell.get("rung"))


def _note(found: _Derived, past: Past, event: Event, _state: RunState) -> None:
    if event.event_type not in ANEW:
        found.events.append((event, _untaken(past)))


def _untaken(past: Past) -> int:
    return len(past.left()) + sum(map(len, past.units.values()))


def _compare_events(ledger: Ledger, home: Home, past: Past, derived: _Derived) -> None:
    file = home.relative(home.journal(ledger.run_id))
    ledger.checked["events"] += past.state.events
    finished = past.state.status == "completed"
    left = [e for e in past.left() if e.event_type not in ACTS and "POLICY" not in e.event_type]
    recorded = {_place(event): event for event in left}
    for event, untaken in derived.events:
        twin = recorded.pop(_place(event), None)
        if twin is not None:
            told = {key: event.payload[key] for key in event.payload if key not in _SAID}
            ledger.compare(file, f"{event.event_type} · line {twin.seq}", _unsaid(twin), told)
        elif finished or (event.event_type not in JOBS and untaken > derived.left):
            ledger.differs(file, event.event_type, ABSENT, dict(event.payload))
    if not derived.is_whole:
        if recorded:
            lost = f"{counted(len(recorded), 'event')} could not be derived, because results are lost"
            ledger.missing(file, lost)
        return
    for event in recorded.values():
        ledger.differs(file, f"{event.event_type} · line {event.seq}", dict(event.payload), ABSENT)


def _place(event: Event) -> tuple[object, ...]:
    """What two events that say different things of one matter have in common."""
    names = ("stage", "rung", "plugin", "rule", "job_id")
    kind = "JOB" if event.event_type in JOBS else event.event_type
    return kind, *(event.payload.get(name) for name in names)


def _unsaid(event: Event) -> dict[str, Any]:
    return {key: value for key, value in event.payload.items() if key not in _SAID}
