"""What a person sees while a run goes on: bars on a terminal, lines in a pipe. Listens to events."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Self

import click
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    SpinnerColumn,
    Task,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column
from rich.text import Text

from orchestra_core.cli.output import console
from orchestra_core.journal.events import Event, EventType
from orchestra_core.journal.state import RunState

_ASKING = ("smoke", "grid", "ab")
"""Stages that ask the target and so take time."""


class Silence:
    """Shows nothing; what every display is."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *ending: object) -> None: ...

    def on_event(self, event: Event, state: RunState) -> None:
        """Nothing is shown."""


class Problems(Silence):
    """Only what went wrong in a plugin without stopping the run, on stderr."""

    def on_event(self, event: Event, state: RunState) -> None:
        """Print the plugin's error."""
        if event.event_type is EventType.PLUGIN_ERROR:
            click.echo(describe(event, state), err=True)


class Note(ProgressColumn):
    """Rung, best so far and failures; where the line is too short, this is what is cut."""

    def render(self, task: Task) -> Text:
        """The task's note."""
        return Text(task.fields["note"], no_wrap=True, overflow="ellipsis")


class Lines(Silence):
    """One line for each thing worth knowing, on stderr."""

    def on_event(self, event: Event, state: RunState) -> None:
        """Print the event's line, if it has one."""
        if line := describe(event, state):
            click.echo(f"{event.created_at[11:19]} {line}", err=True)


class Bars(Silence):
    """A bar per stage with rung, best so far, failures and time left; decisions stand above."""

    def __init__(self) -> None:
        self._progress = Progress(
            SpinnerColumn(finished_text="✓"),
            TextColumn("{task.description:<6}"),
            BarColumn(bar_width=20, table_column=Column(no_wrap=True)),
            MofNCompleteColumn(table_column=Column(no_wrap=True)),
            TimeElapsedColumn(table_column=Column(no_wrap=True)),
            TimeRemainingColumn(table_column=Column(no_wrap=True)),
            Note(),
            console=console(stderr=True),
        )
        self._tasks: dict[str, TaskID] = {}

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *ending: object) -> None:
        self._progress.stop()

    def on_event(self, event: Event, state: RunState) -> None:
        """Move the stage's bar; print what should stay."""
        if event.event_type in _LASTING and (line := describe(event, state)):
            self._progress.console.print(line)
        if state.stage not in _ASKING or state.stage not in state.stages:
            return
        progress = state.stages[state.stage]
        task = self._task(state.stage)
        running = progress.status == "running"
        total = max(progress.planned, progress.done) if running else progress.done
        self._progress.update(task, total=total or None, completed=progress.done, note=_note(state))

    def _task(self, stage: str) -> TaskID:
        if stage not in self._tasks:
            self._tasks[stage] = self._progress.add_task(stage, total=1, note="")
        return self._tasks[stage]


def open_display(*, quiet: bool) -> Silence:
    """Bars when stderr is a terminal, lines when it is piped, only problems when quiet."""
    if quiet:
        return Problems()
    return Bars() if console(stderr=True).is_terminal else Lines()


def describe(event: Event, state: RunState) -> str:
    """The event as a line for people; empty for events that only matter to the record."""
    writer = _WRITERS.get(event.event_type)
    return writer(event.payload, state) if writer else ""


def _note(state: RunState) -> str:
    parts = []
    if state.stage == "grid" and state.rung >= 0:
        parts.append(f"rung {state.rung + 1}")
    if state.stage == "grid" and state.rungs:
        best = state.rungs[-1]
        parts.append(f"best {best['best_value']:.4f} {best['best']}")
    if state.failures:
        parts.append(f"{state.failures.total()} failed")
    return " · ".join(parts)


def _started(payload: Any, state: RunState) -> str:
    plan = payload["plan"]
    return (
        f"run {state.run_id}: {len(plan['configurations'])} configurations on {plan['dataset']}, "
        f"runner {payload['runner']} ({payload['backend']})"
    )


def _decision(payload: Any, _state: RunState) -> str:
    return f"{payload['stage']} · {payload['kind']} ({payload['rule']}): {payload['reason']}"


def _ruling(payload: Any, _state: RunState) -> str:
    if payload["kind"] == "allow":
        return ""
    return f"guard · {payload['kind']} ({payload['rule']}): {payload['reason']}"


def _error(payload: Any, _state: RunState) -> str:
    return f"problem: {payload['error']['msg']}"


def _rung(payload: Any, _state: RunState) -> str:
    return (
        f"grid · rung {payload['rung'] + 1}: {payload['entered']} configurations x "
        f"{payload['queries']} queries"
    )


_WRITERS: dict[EventType, Callable[[Any, RunState], str]] = {
    EventType.RUN_STARTED: _started,
    EventType.RUN_RESUMED: lambda _p, s: f"run {s.run_id}: resumed",
    EventType.SMOKE_STARTED: lambda p, _s: f"smoke · {p['evaluations']} evaluations",
    EventType.GRID_RUNG_STARTED: _rung,
    EventType.REFLECTION_DECISION: _decision,
    EventType.GUARD_RULING: _ruling,
    EventType.HEALTH_FAIL: _error,
    EventType.UNIT_FAILED: _error,
    EventType.PLUGIN_ERROR: _error,
    EventType.AB_STARTED: lambda p, _s: f"ab · {p['challenger']} against {p['baseline']}",
    EventType.VERDICT: lambda p, _s: f"ab · {p['kind']}: {p['reason']}",
    EventType.PUBLISH_DONE: lambda p, _s: (
        "published" if p["published"] else f"not published: {p['reason']}"
    ),
}
_LASTING = frozenset(_WRITERS) - {EventType.SMOKE_STARTED, EventType.GRID_RUNG_STARTED}
