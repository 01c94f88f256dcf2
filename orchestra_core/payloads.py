"""The one frozen payload that each hook takes. A new field breaks no plugin.

Every payload carries `settings`: the receiving plugin's own section of the experiment, validated
against the model it gave in `orchestra_settings` (None when it gave none). The caller in
`plugins.calls` fills it in anew for each plugin, so no plugin sees another's settings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Protocol

from orchestra_core.outbound.allowance import anything, unlimited

if TYPE_CHECKING:
    import click
    import numpy as np
    from numpy.typing import NDArray
    from pydantic import BaseModel

    from orchestra_core.artifacts import ArtifactFolder
    from orchestra_core.datasets import Dataset
    from orchestra_core.experiment import Experiment
    from orchestra_core.observation import Failure, Unit, UnitResult
    from orchestra_core.outbound.door import Door
    from orchestra_core.plan import Configuration, Plan
    from orchestra_core.probing.figures import LoadReport
    from orchestra_core.report import Metrics, Report, Verdict, Winner
    from orchestra_core.runner import RunnerDescription


@dataclass(frozen=True)
class Payload:
    """What all payloads share."""

    settings: BaseModel | None = field(default=None, kw_only=True)
    """The receiving plugin's own validated settings."""


@dataclass(frozen=True)
class DescribeRequest(Payload):
    """Asked before the experiment is complete, so values may still be missing."""

    dataset: str | None = None
    """The dataset the user named, if any."""
    backend: str | None = None
    """`runner.backend` as the user named it, if any."""


@dataclass(frozen=True)
class PlanRequest(Payload):
    """Everything a planner may look at."""

    experiment: Experiment
    description: RunnerDescription
    dataset: Dataset


@dataclass(frozen=True)
class RunnerRequest(Payload):
    """What a runner needs to open itself."""

    experiment: Experiment
    dataset: Dataset
    configurations: Sequence[Configuration]
    """All that the run may ask about, the baseline first."""
    cache_dir: Path
    """A folder of the user's cache that this plugin alone writes to."""
    emit: Callable[[str, Mapping[str, Any]], None]
    """Record `RETRY`, `ALIAS_APPLIED` or `RUNNER_TIMEOUT` with a payload of JSON values."""
    left_s: Callable[[], float] = unlimited
    """Seconds until the stage or the run must be over; ask again before each request."""
    may_send: Callable[[int], None] = anything
    """Raises BudgetExhausted where a limit of the run leaves no room for so many requests besides those
    under way. Orchestra asks before each observation and each sample, and the door before each request;
    ask where one answer takes several. A unit that it ends keeps what it has yielded."""
    runs_dir: Path | None = None
    """Where the jobs lie; a target that writes files may have a folder of its own in there, called
    `make_run_id(…)`. If its health's details say so as `runs_in`, it goes when `orchestra gc` removes
    the run. None: only `cache_dir` is there to write to."""

    def open_door(self) -> Door:
        """The way to the network: its policy, limits and repetitions are those of the experiment.

        The runner closes it in its own `close`. Raises AddressRefused where `runner.base_url` is not
        allowed, ExperimentError for a variable of `runner.headers` that is not set.
        """
        from orchestra_core.outbound.opening import open_door

        return open_door(self.experiment, emit=self.emit, left_s=self.left_s, may_send=self.may_send)


@dataclass(frozen=True)
class ExecutorRequest(Payload):
    """How work should be spread."""

    concurrency: int
    unit_timeout_s: float


@dataclass(frozen=True)
class ConfigurationEvidence:
    """What is known of one configuration after a rung."""

    config_id: str
    scores: NDArray[np.float64]
    """The objective per query, float64 of shape (n_queries,), aligned to `query_ids`; 0 if failed."""
    finer: NDArray[np.float64]
    """nDCG@10 per query in the same form: tells apart what a coarse objective ties."""
    metrics: Metrics
    failures: int
    count: int
    latencies_ms: NDArray[np.float64] | None = None
    """Every timed request so far, float64 (n,), in ms; None where the core has not collected them."""
    costs: NDArray[np.float64] | None = None
    """What each of them cost, float64 (m,), in USD."""
    aggregate_only: bool = False
    """True: `scores` repeat the target's own mean, so differences between them have no spread."""
    failed: tuple[Failure, ...] = ()
    """Why, of each query that failed and was answered for at all."""


@dataclass(frozen=True)
class RungEvidence(Payload):
    """What reflection sees: every configuration still in the race, on the same queries."""

    stage: Literal["smoke", "grid"]
    rung: int
    """From 0."""
    rungs: int
    plan: Plan
    objective: str
    """The metric of the scores."""
    query_ids: tuple[str, ...]
    """All queries asked so far in this stage."""
    configurations: tuple[ConfigurationEvidence, ...]
    """In plan order."""
    best_so_far: tuple[float, ...]
    """Mean objective of the leader after each earlier rung."""
    evaluations_spent: int
    evaluations_allowed: int
    """The grid's budget in (configuration, query) pairs."""
    next_rung_queries: int
    """Queries of the next rung; 0 after the last."""


@dataclass(frozen=True)
class GuardEvidence(Payload):
    """What a guard rules on."""

    point: Literal["plan", "publish"]
    """`plan`: before anything is sent. `publish`: a winner is about to be published."""
    run_id: str
    plan: Plan
    verdict: Verdict | None = None
    winner: Winner | None = None
    baseline_metrics: Metrics = field(default_factory=dict)


def _unrecorded(_event_type: str, _payload: Mapping[str, Any]) -> None:
    """Where there is no journal."""


@dataclass(frozen=True)
class PolicyPayload(Payload):
    """What applying and undoing share."""

    experiment: Experiment | None = field(default=None, kw_only=True)
    """The run's own; None only where a test made the payload."""
    home: Path = field(default=Path(), kw_only=True)
    """The home folder: what relative paths begin at."""
    emit: Callable[[str, Mapping[str, Any]], None] = field(default=_unrecorded, kw_only=True)
    """Record `RETRY` or `ALIAS_APPLIED`, as a runner does; a door does so by itself."""
    left_s: Callable[[], float] = field(default=unlimited, kw_only=True)
    """Seconds until it must be done: what `limits` leave, for undoing a minute at least."""

    def open_door(self) -> Door:
        """The way to the network, as for a runner. The plugin closes it.

        Raises AddressRefused, ExperimentError.
        """
        from orchestra_core.experiment import Experiment
        from orchestra_core.outbound.opening import open_door

        experiment = self.experiment or Experiment.model_construct()
        return open_door(experiment, emit=self.emit, left_s=self.left_s)


def _forget(_undo: Mapping[str, Any]) -> None:
    """Where there is no journal."""


@dataclass(frozen=True)
class PolicyRequest(PolicyPayload):
    """A winner that every guard allowed; apply it and read it back."""

    run_id: str
    winner: Winner
    previous: Mapping[str, Any] | None
    """The record of the last published winner, for comparison; None the first time."""
    intended: Mapping[str, Any] | None = None
    """What you last told `intend` for this run, unless that was undone: a process may have died since,
    so it may be in force or not."""
    intend: Callable[[Mapping[str, Any]], None] = _forget
    """Call it with what undoing needs (JSON values) before you change anything: it is in the journal
    then, and comes back to you as `undo` whatever happens."""


@dataclass(frozen=True)
class PolicyReceipt:
    """What an applied policy says of itself. `verified`: read back from the target and equal."""

    verified: bool
    summary: str
    undo: Mapping[str, Any] = field(default_factory=dict)
    """JSON values that the same plugin needs to roll back; what `intend` was told when empty."""
    changed: bool = True
    """False: it was in force already."""
    place: str = ""
    """Where it stands, for people; policies at different places stand side by side."""


@dataclass(frozen=True)
class PolicyIntent(PolicyPayload):
    """A policy of yours to undo, because this or a later step failed, or the user says so."""

    run_id: str
    winner: Winner
    undo: Mapping[str, Any] = field(default_factory=dict)
    """From your receipt; what you told `intend` when applying itself failed half-way."""


@dataclass(frozen=True)
class ReportRequest(Payload):
    """Tell the story of a run from the report alone."""

    report: Report
    artifacts: ArtifactFolder
    """Writes files atomically, and refuses names outside the run's own folder."""


@dataclass(frozen=True)
class LoadReportRequest(Payload):
    """Tell how latency grows with the rate of requests."""

    report: LoadReport
    artifacts: ArtifactFolder
    """Writes files atomically, beside `latency_rate.json`."""


@dataclass(frozen=True)
class EventNotice(Payload):
    """An event that was just written to the journal."""

    run_id: str
    seq: int
    event_type: str
    payload: Mapping[str, Any]
    created_at: str


@dataclass(frozen=True)
class FinishedRun(Payload):
    """The very last call of a run."""

    run_id: str
    status: str
    exit_code: int
    error: Mapping[str, Any] | None


@dataclass(frozen=True)
class CommandRegistry(Payload):
    """Where a plugin adds its own click commands, such as `orchestra fiqa`."""

    add: Callable[[click.Command], None]
    """Raises DuplicateName when the command's name is taken."""


@dataclass(frozen=True)
class ToolContext(Payload):
    """Asked by servers (such as an MCP server) for callable tools."""

    home: Path


@dataclass(frozen=True)
class Tool:
    """A function that a server may offer to its clients."""

    name: str
    description: str
    arguments: type[BaseModel]
    """A strict model; its JSON schema is the tool's input schema."""
    call: Callable[[Any], Mapping[str, Any]]
    """Called with an instance of `arguments`; answers with JSON values."""


class Executor(Protocol):
    """Spreads units over threads, processes or machines."""

    def run(
        self, units: Sequence[Unit], evaluate: Callable[[Unit], UnitResult]
    ) -> Iterator[UnitResult]:
        """One result per unit, in any order.

        A runner's errors are in the results; whatever `evaluate` raises besides (the disk is full, the
        user interrupts) must reach whoever takes the results. A unit that exceeds `unit_timeout_s`
        yields a result with an error instead of blocking.
        """

    def close(self) -> None:
        """Stop taking work; called exactly once."""
