"""Bodies and answers of the API. Requests are strict: unknown keys are errors."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from orchestra_core.fields import Name, StrictModel
from orchestra_core.runner import ParameterValue

Mode = Literal["full", "smoke", "grid", "ab"]
Preset = Literal["quick", "standard", "thorough"]
RunState = Literal[
    "queued", "starting", "running", "interrupted", "refused",
    "completed", "early_stopped", "failed", "cancelled",
]  # fmt: skip
"""`interrupted`: without an ending, and its process is gone. `refused`: it never had a journal."""
LARGEST_AXIS = 100
Sample = Annotated[int, Field(ge=1, le=1_000_000)]
Axis = Annotated[list[ParameterValue], Field(min_length=1, max_length=LARGEST_AXIS)]
RunId = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,199}$", examples=["fiqa-1"])]


class Samples(StrictModel):
    """Queries per stage; what is left out stays as the experiment has it."""

    smoke: Sample | None = None
    grid: Sample | None = None
    ab: Annotated[int, Field(ge=2, le=1_000_000)] | None = None


class Overrides(StrictModel):
    """Single dials. A parameter takes one value, or a list to try."""

    top_k: ParameterValue | Axis | None = None
    mmr: ParameterValue | Axis | None = None
    ef_search: ParameterValue | Axis | None = None
    alpha: ParameterValue | Axis | None = None
    sample: Sample | Samples | None = None
    """A number: the grid's queries, and the most that smoke asks."""
    concurrency: Annotated[int, Field(ge=1, le=64)] | None = None


class RunBody(StrictModel):
    """What to run. An empty body is the service's own experiment, whole."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"collection": "fiqa_para_50k", "mode": "full"},
                {"mode": "grid", "overrides": {"top_k": [10, 20], "alpha": 0.5, "sample": 50}},
                {"preset": "quick", "dry_run": True},
            ]
        }
    )
    collection: Name | None = None
    """One of the experiment's collections: its dataset is used, and only it is searched."""
    mode: Mode = "full"
    """`smoke`, `grid` and `ab` end after that stage, and select and publish nothing."""
    preset: Preset | None = None
    """How much to spend; the experiment's own figures when left out."""
    overrides: Overrides = Overrides()
    experiment: dict[str, Any] | None = None
    """A whole experiment in place of the service's file."""
    dry_run: bool = False
    """Answer with the plan; nothing is sent."""
    again: bool = False
    """Run it although the same request is running or done."""

    @field_validator("experiment")
    @classmethod
    def _keys_are_text(cls, value: dict[str, Any] | None) -> dict[str, Any] | None:
        if value is not None and len(value) > 50:
            raise ValueError("expected at most 50 keys")
        return value


class RunReference(StrictModel):
    """Names one run."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"run_id": "fiqa-1"}]})
    run_id: RunId


class Answer(BaseModel):
    """Base of what the API answers."""

    model_config = ConfigDict(use_attribute_docstrings=True)


class Accepted(Answer):
    """A run was queued, or found."""

    run_id: str
    status: RunState
    queue_position: int | None
    """From 1; None once it has started."""
    existing: bool
    """True: the same request came before, and this is its run."""
    links: dict[str, str]
    """`status`, `report`, `events` and `page`, relative to this service."""


class DryRun(Answer):
    """The plan; nothing was sent."""

    dry_run: Literal[True] = True
    plan_hash: str
    requests: int
    """The most that the run would send."""
    estimated_seconds: float
    estimate_basis: str
    plan: dict[str, Any]
    rulings: list[dict[str, Any]]


class Progress(Answer):
    """How far a run is."""

    stage_done: int = 0
    """Evaluations."""
    stage_planned: int = 0
    """The most that this stage will make, as far as is known."""
    requests: int = 0
    requests_at_most: int = 0


class Times(Answer):
    """ISO 8601, UTC; null where it has not come to that."""

    queued_at: str | None = None
    started_at: str | None = None
    ended_at: str | None = None
    last_event_at: str | None = None


class Status(Answer):
    """Everything known of a run at this moment, in brief."""

    run_id: str
    name: str
    status: RunState
    mode: Mode
    stage: str
    """The last one that began; empty before."""
    stages: dict[str, dict[str, Any]]
    """Name → `status`, `planned` and `done` evaluations."""
    rung: int | None
    queue_position: int | None
    progress: Progress
    times: Times
    best: dict[str, Any] | None
    """`config_id`, `metric`, `value` of the race's leader."""
    metrics: dict[str, float | None]
    """Of the configuration that `best` names, as last measured."""
    decisions: list[dict[str, Any]]
    """The last twenty."""
    events: list[dict[str, Any]]
    """The last thirty: `seq`, `event_type`, `created_at` and what they say in words."""
    last_seq: int
    verdict: dict[str, Any] | None
    winner: str | None
    published: bool
    requests: int
    retries: int
    cost_usd: float
    failures: dict[str, int]
    warnings: list[str]
    error: dict[str, Any] | None
    bad_lines: int
    artifacts: list[str]
    links: dict[str, str]


class Runs(Answer):
    """The newest runs first."""

    runs: list[dict[str, Any]]
    total: int


class ReportAnswer(Answer):
    """The report, and where its files are served."""

    report: dict[str, Any]
    artifacts: list[dict[str, Any]]
    """`path` relative to the home folder, `url` at this service, and `sha256` as written."""


class Plugins(Answer):
    """What is installed."""

    plugins: list[dict[str, Any]]


class Health(Answer):
    """`ok`, or why not."""

    status: str
    running: int | None = None
    queued: int | None = None
