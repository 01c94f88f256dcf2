"""What the API answers, for OpenAPI; `views` makes the content."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from orchestra_core.course import ToldEvent
from orchestra_core.plan import Plan
from orchestra_core.report import DecisionKind, Report, Ruling, VerdictKind
from orchestra_core.service.models import Mode, RunState


class Answer(BaseModel):
    """Base of what the API answers."""

    model_config = ConfigDict(use_attribute_docstrings=True)


def example(**content: Any) -> ConfigDict:
    """A model's configuration with an example for OpenAPI."""
    return ConfigDict(use_attribute_docstrings=True, json_schema_extra={"example": content})


_LINKS = {
    "status": "/orchestrate/status?run_id=fiqa-1",
    "report": "/orchestrate/report?run_id=fiqa-1",
    "events": "/orchestrate/events?run_id=fiqa-1",
    "page": "/runs/fiqa-1",
}


_FILE = {
    "path": "reports/fiqa-1/winners.md",
    "url": "/orchestrate/artifacts/fiqa-1/reports/fiqa-1/winners.md",
    "sha256": "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
}


class Accepted(Answer):
    """A run was queued, or found."""

    model_config = example(
        run_id="fiqa-1", status="queued", queue_position=1, existing=False, links=_LINKS
    )

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

    model_config = example(
        dry_run=True, plan_hash="5d41402a", requests=40, estimated_seconds=4.0,
        estimate_basis="0.1 s a request, as in an earlier run",
        plan={"experiment": {"dataset": "fiqa-mini", "space": {"top_k": [10, 20]},
                             "baseline": {"top_k": 10}},
              "dataset": "fiqa-mini", "dataset_sha256": "9f86d081", "queries": 648,
              "baseline": {"config_id": "k10", "parameters": {"top_k": 10}},
              "configurations": [{"config_id": "k10", "parameters": {"top_k": 10}},
                                 {"config_id": "k20", "parameters": {"top_k": 20}}],
              "tuning": ["q1", "q2"], "confirmation": ["q3"],
              "stages": [{"name": "smoke", "config_ids": ["k10", "k20"], "rungs": [["q1", "q2"]],
                          "requests": 40}]},
        rulings=[{"kind": "allow", "reason": "within the limits", "rule": "limits", "plugin": "guards",
                  "point": "plan"}],
    )  # fmt: skip

    dry_run: Literal[True] = True
    plan_hash: str
    requests: int
    """The most that the run would send."""
    estimated_seconds: float
    estimate_basis: str
    plan: Plan
    rulings: list[Ruling]


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


class Stage(Answer):
    """How far a stage is."""

    status: Literal["running", "done", "failed", "interrupted"]
    """`interrupted`: the run ended, or its process went away, in the middle of it."""
    planned: int
    """Evaluations; the most that are to be made, as far as is known."""
    done: int


class Best(Answer):
    """The race's leader."""

    config_id: str
    metric: str
    value: float | None


class BriefDecision(Answer):
    """What reflection said after a rung."""

    kind: DecisionKind
    rule: str
    reason: str
    stage: str
    rung: int
    plugin: str


class BriefVerdict(Answer):
    """What the A/B found; the report has its figures."""

    kind: VerdictKind
    reason: str
    metric: str
    baseline: str
    challenger: str
    queries: int
    undecided: str | None = None
    """The metric that keeps it inconclusive."""
    queries_needed: int | None
    """In all, to settle that one."""
    detectable: float | None
    """The smallest true difference that so many queries show with 80% chance."""


class Trouble(Answer):
    """Why a run ended as it did, or could not go on."""

    type: str
    msg: str
    hint: str
    details: dict[str, Any]


class Status(Answer):
    """Everything known of a run at this moment, in brief."""

    model_config = example(
        run_id="fiqa-1", name="fiqa", status="running", mode="full", stage="grid",
        stages={"smoke": {"status": "done", "planned": 100, "done": 100},
                "grid": {"status": "running", "planned": 1800, "done": 360}},
        rung=1, queue_position=None,
        progress={"stage_done": 360, "stage_planned": 1800, "requests": 460,
                  "requests_at_most": 2900},
        times={"queued_at": "2026-01-01T10:00:00.000Z", "started_at": "2026-01-01T10:00:01.000Z",
               "ended_at": None, "last_event_at": "2026-01-01T10:00:09.000Z"},
        best={"config_id": "fiqa_para-k10-a0p5", "metric": "recall@10", "value": 0.61},
        metrics={"recall@10": 0.61, "p95_ms": 12.5},
        decisions=[], events=[], last_seq=212,
        verdict=None, winner=None, published=False, requests=460, retries=0, cost_usd=0.0, failures={},
        warnings=[],
        error=None, bad_lines=0, artifacts=[], links=_LINKS,
    )  # fmt: skip

    run_id: str
    name: str
    status: RunState
    mode: Mode
    stage: str
    """The last one that began; empty before."""
    stages: dict[str, Stage]
    rung: int | None
    queue_position: int | None
    progress: Progress
    times: Times
    best: Best | None
    metrics: dict[str, float | None]
    """Of the configuration that `best` names, as last measured."""
    decisions: list[BriefDecision]
    """The last twenty."""
    events: list[ToldEvent]
    """The last thirty that people read."""
    last_seq: int
    verdict: BriefVerdict | None
    winner: str | None
    published: bool
    requests: int
    retries: int
    cost_usd: float
    failures: dict[str, int]
    warnings: list[str]
    error: Trouble | None
    bad_lines: int
    artifacts: list[str]
    links: dict[str, str]


class RunRow(Answer):
    """A run in the list."""

    run_id: str
    name: str
    status: RunState
    queued_at: str | None
    started_at: str | None
    ended_at: str | None
    dataset: str
    verdict: VerdictKind | None
    winner: str | None
    published: bool
    links: dict[str, str]


class Runs(Answer):
    """The newest runs first."""

    model_config = example(
        total=1,
        runs=[{"run_id": "fiqa-1", "name": "fiqa", "status": "completed",
               "queued_at": "2026-01-01T10:00:00.000Z", "started_at": "2026-01-01T10:00:01.000Z",
               "ended_at": "2026-01-01T10:01:00.000Z", "dataset": "fiqa-mini", "verdict": "win",
               "winner": "fiqa_para-k10-a0p5", "published": True, "links": _LINKS}],
    )  # fmt: skip
    runs: list[RunRow]
    total: int
    """Of all pages together."""


class File(Answer):
    """A file of a run."""

    model_config = example(**_FILE)
    path: str
    """Relative to the home folder."""
    url: str
    """At this service."""
    sha256: str
    """As written; empty for the journal, which grows."""


class ReportAnswer(Answer):
    """The report, and where its files are served."""

    model_config = example(
        report={"run_id": "fiqa-1", "name": "fiqa", "status": "completed",
                "started_at": "2026-01-01T10:00:01.000Z", "ended_at": "2026-01-01T10:01:00.000Z",
                "dataset": "fiqa-mini", "plan_hash": "5d41402a",
                "objective": {"maximize": "recall@10"}, "fingerprint": {}, "plugins": [],
                "baseline": {"config_id": "k10", "parameters": {"top_k": 10},
                             "metrics": {"recall@10": 0.52}},
                "candidates": [{"config_id": "k20", "parameters": {"top_k": 20},
                                "metrics": {"recall@10": 0.61}}],
                "jobs": [], "published": True, "requests": 2900},
        artifacts=[_FILE],
    )  # fmt: skip

    report: Report
    artifacts: list[File]


class InstalledPlugin(Answer):
    """A plugin, and why it failed if it did."""

    name: str
    version: str | None
    status: str
    distribution: str | None
    module: str
    commands: list[str]
    """Of `orchestra` that it adds."""
    hooks: list[str]
    builtin: bool
    error: Trouble | None


class Plugins(Answer):
    """What is installed."""

    model_config = example(
        plugins=[{"name": "fiqa", "version": "0.1.0", "status": "loaded",
                  "distribution": "orchestra-fiqa-runner", "module": "orchestra_fiqa_runner.plugin",
                  "commands": ["fiqa"], "hooks": ["orchestra_describe_runner", "orchestra_runner"],
                  "builtin": False, "error": None}],
    )  # fmt: skip
    plugins: list[InstalledPlugin]


class Health(Answer):
    """`ok`, or why not."""

    model_config = example(status="ok", running=1, queued=0)
    status: str
    running: int | None = None
    queued: int | None = None
