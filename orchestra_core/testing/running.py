"""Run an experiment with stub plugins in a folder of its own, and read back what it left."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from orchestra_core.engine import run_experiment
from orchestra_core.journal.events import Event
from orchestra_core.journal.log import JournalReader
from orchestra_core.journal.state import RunState, fold
from orchestra_core.outcome import Outcome
from orchestra_core.report import Report
from orchestra_core.session import Request, Session, open_session
from orchestra_core.testing.stubs import StubDatasets, StubRunner

Plugins = Sequence[tuple[str, object]]


@dataclass(frozen=True)
class FinishedExperiment:
    """What a run came to, and what its journal says."""

    outcome: Outcome
    home: Path
    events: tuple[Event, ...]
    runner: StubRunner = field(repr=False)

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.outcome.report.run_id

    @property
    def report(self) -> Report:
        """The run's report."""
        return self.outcome.report

    @property
    def state(self) -> RunState:
        """The journal's fold, made anew from the file."""
        return fold(self.events)

    def of_type(self, *event_types: str) -> list[Event]:
        """The events of some types, in order."""
        return [event for event in self.events if event.event_type in event_types]


class RunOrchestra(Protocol):
    """The type of the fixture `run_orchestra`."""

    def __call__(
        self,
        *plugins: object,
        experiment: Mapping[str, Any] | None = None,
        runner: StubRunner | None = None,
        datasets: object | None = None,
        home: Path | None = None,
    ) -> FinishedExperiment:
        """Run it; see `run_stubs`."""


def run_stubs(
    home: Path,
    *plugins: object,
    experiment: Mapping[str, Any] | None = None,
    runner: StubRunner | None = None,
    datasets: object | None = None,
    listeners: Sequence[Callable[..., None]] = (),
) -> FinishedExperiment:
    """Run `experiment` (keys over the stub's defaults) with the stub runner, a dataset and `plugins`.

    A plugin is an object, or a (name, object) pair; an object alone is called after its class.
    """
    chosen = runner or StubRunner()
    session = stub_session(home, *plugins, experiment=experiment, runner=chosen, datasets=datasets)
    outcome = run_experiment(session, listeners)
    reader = JournalReader(session.home.journal(outcome.report.run_id))
    return FinishedExperiment(outcome, home, tuple(reader), chosen)


def stub_session(
    home: Path,
    *plugins: object,
    experiment: Mapping[str, Any] | None = None,
    runner: StubRunner | None = None,
    datasets: object | None = None,
) -> Session:
    """The session that `run_stubs` runs; the experiment goes through a file, as a user's does."""
    home.mkdir(parents=True, exist_ok=True)
    file = home / "orchestra.yaml"
    file.write_text(json.dumps(experiment or {}), encoding="utf-8")  # JSON is YAML
    stubs: Plugins = [
        ("stub_runner", runner or StubRunner()),
        ("stub_data", datasets or StubDatasets()),
    ]
    return open_session(
        Request(file=file, home=home, environ={}),
        extra_plugins=[*stubs, *(named(plugin) for plugin in plugins)],
        discover=False,
    )


def named(plugin: object) -> tuple[str, object]:
    """A plugin with its name: given as a pair, else the name of its class or module."""
    if isinstance(plugin, tuple):
        name, inner = plugin
        return str(name), inner
    return str(getattr(plugin, "__name__", type(plugin).__name__)).rpartition(".")[2], plugin
