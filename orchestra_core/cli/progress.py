"""What a person sees while a run goes on: bars on a terminal, lines in a pipe. Listens to events."""

from __future__ import annotations

from typing import Self

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
from orchestra_core.journal.words import WRITERS, describe

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


_LASTING = frozenset(WRITERS) - {EventType.SMOKE_STARTED, EventType.GRID_RUNG_STARTED}
