"""Experiment: what the user asks for, as strict models; one YAML file describes it.

Built by `layers.build_experiment` (defaults < runner's defaults < file < environment < --set).
Nothing here reads files or knows a plugin.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import (
    AfterValidator,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from orchestra_core.fields import (
    Allowance,
    Count,
    Margin,
    Name,
    Seconds,
    Share,
    StrictModel,
    TimingMetric,
    Values,
)
from orchestra_core.metric_names import canonical
from orchestra_core.outbound.fields import Aliases, Allowed, BaseUrl, Endpoints, HeaderTemplates
from orchestra_core.runner import Load, ParameterValue


class Collection(StrictModel):
    """One way of chunking a dataset's corpus."""

    dataset: str | None = None
    """The experiment's dataset when left out."""
    chunking: str = "para"


class RunnerSection(StrictModel):
    """Which runner asks the target, and how patiently."""

    plugin: str | None = None
    """The runner's name; may be left out while just one runner is installed."""
    backend: str | None = None
    """One of the runner's backends; its first one when left out."""
    base_url: BaseUrl | None = None
    """Where the target's HTTP service is."""
    headers: HeaderTemplates = {}
    """Header → value with `${env:NAME}` in it; secrets come from the environment alone."""
    host_aliases: Aliases = {}
    """Host, or host:port → address to dial in its place; the target is still called by its name."""
    allowed_hosts: Allowed = ()
    """Hosts that may be asked, as `scheme://host:port` or `host:port`; loopback always may."""
    health_endpoints: Endpoints = ("/ready", "/api/health/embeddings")
    """Paths that must answer before anything is asked."""
    rate_limit_per_sec: float = Field(default=4.0, ge=0)
    """Requests per second; 0 switches the limit off. Ignored by in-process backends."""
    max_retries: int = Field(default=3, ge=0)
    """How often a failed request is sent again."""
    backoff_s: float = Field(default=2.0, ge=0)
    """Seconds before the first repetition."""
    timeout_s: float = Field(default=30.0, gt=0)
    """Seconds that one request may take."""
    runner_cmd: tuple[str, ...] = Field(default=(), strict=False)
    """Program and arguments of a command backend."""
    runner_timeout_s: float = Field(default=1200.0, gt=0)
    """Seconds that one unit of work may take before RUNNER_TIMEOUT."""


class Objective(StrictModel):
    """What is maximised, what is minimised beside it, and what must hold.

    Ties: p95, cost, nDCG@10, then plan order.
    """

    maximize: Annotated[str, AfterValidator(canonical)] = "recall@10"
    """A quality metric: `recall@10`, `ndcg@10`, `mrr@10`, `AP`, … of ir-measures."""
    minimize: TimingMetric | None = None
    """A second objective, `p50_ms`, `p95_ms`, `p99_ms` or `cost_per_query`: the race then keeps all of
    which no other is better in both."""
    select: Literal["quality", "knee"] = "quality"
    """Who of these challenges the baseline: the one of the highest quality, or the knee, past which
    quality costs more than before."""
    subject_to: dict[TimingMetric, Annotated[float, Field(gt=0)]] = {}
    """Metric → upper limit above 0, for `p50_ms`, `p95_ms`, `p99_ms` or `cost_per_query`."""

    @field_validator("select")
    @classmethod
    def _knee_of_two(cls, select: str, others: ValidationInfo) -> str:
        if select == "knee" and others.data.get("minimize") is None:
            raise ValueError("expected a second objective beside it, such as minimize: p95_ms")
        return select


class SmokeSection(StrictModel):
    """A first look: does the target answer, and with ids that we know?"""

    sample: Count = 50
    """Tuning queries that the smoke stage asks."""
    configurations: Count = 3
    """The baseline and this many configurations spread over the plan."""


class GridSection(StrictModel):
    """The race over all configurations."""

    sample: Count = 100
    """Tuning queries that the grid asks, over all rungs."""
    budget: Share = 0.15
    """Share of the full grid's evaluations that may be spent; 1.0: nothing is dropped to keep a budget,
    only what is beaten for certain or as good as a cheaper one. The first rung for all and the whole
    sample for two are always allowed."""
    delta: float = Field(default=0.05, gt=0, lt=1)
    """Chance of ever dropping the true best, of those within all limits, by a drop called certain."""
    epsilon: float = Field(default=0.005, ge=0)
    """Differences of the objective up to this are no differences."""
    probe: int = Field(default=10, ge=0)
    """Timed requests per configuration and rung, where `evaluate` cannot time them itself or
    `objective.minimize` asks for it."""


class LoadSection(StrictModel):
    """How the timed requests of the A/B arrive; the same for both arms."""

    mode: Literal["closed", "open"] = "closed"
    """`closed`: clients that wait for their answer; `open`: arrivals at a rate, answered or not."""
    concurrency: Annotated[int, Field(ge=1, le=256)] = 1
    """Clients of a closed load."""
    rate: float | None = Field(default=None, gt=0)
    """Arrivals per second of an open load."""
    arrivals: Literal["constant", "poisson"] = "constant"
    """Of an open load: evenly spaced, or independent of each other."""

    @model_validator(mode="after")
    def _rate_where_open(self) -> LoadSection:
        if (self.mode == "open") != (self.rate is not None):
            raise ValueError("an open load needs a rate, and only an open load has one")
        return self

    def as_load(self, warmup: int = 0, seed: int = 0) -> Load:
        """What a probe is given."""
        return Load(self.mode, self.concurrency, warmup, self.rate or 0.0, self.arrivals, seed)


class AbSection(StrictModel):
    """The challenger against the baseline, on queries that nobody tuned on."""

    sample: Annotated[int, Field(ge=2)] = 200
    """Confirmation queries of the first look."""
    seed: Annotated[int, Field(ge=0, lt=2**53)] | None = None
    """Orders the confirmation queries; the experiment's seed when left out."""
    confidence: float = Field(default=0.95, gt=0.5, le=0.999)
    """Of the intervals over all looks together; no p-value of 9,999 resamplings is below 1/10,000."""
    failed: Literal["zero", "drop"] = "zero"
    """A failed query scores zero, or is left out of both arms; the other way is judged as well."""
    margin: dict[TimingMetric, Allowance] = {
        "p95_ms": Margin(absolute=25.0),
        "cost_per_query": Margin(absolute=0.0001),
    }
    """Metric → how much worse it may get: a number in its unit, or a share (`20%`)."""
    tolerance: float = Field(default=0.02, ge=0, lt=1)
    """With `objective.minimize`: a challenger that is better there wins, too, where its quality is
    shown to be no more than this below the baseline's."""
    load: LoadSection = LoadSection()


class StagesSection(StrictModel):
    """Sizes and dials of the stages."""

    confirmation: float = Field(default=0.5, gt=0, lt=1)
    """Share of the labelled queries that is kept away from smoke and grid."""
    smoke: SmokeSection = SmokeSection()
    grid: GridSection = GridSection()
    ab: AbSection = AbSection()


class Limits(StrictModel):
    """What a run may spend before it stops with a report of what is done."""

    wall: Seconds = 1800.0
    """Wall time of the run."""
    stage: Seconds | None = None
    """Wall time of one stage; the run's own when left out."""
    requests: Count = 20_000
    """Evaluations, timed requests and repetitions, over all stages."""
    cost_usd: float = Field(default=5.0, gt=0)
    """USD, by the runner's cost model."""
    configurations: Count = 5000
    """Configurations that the space may hold."""


class Paths(StrictModel):
    """Folders relative to the home folder."""

    reports_dir: str = "reports"
    """Journals, memory, reports and the history of winners."""
    runs_dir: str = ".runs"
    """Jobs."""

    @model_validator(mode="after")
    def _inside_home(self) -> Paths:
        for value in (self.reports_dir, self.runs_dir):
            if not value or value.startswith(("/", "~")) or ".." in value.split("/"):
                raise ValueError(f"expected a folder inside the home folder, not '{value}'")
        return self


class Experiment(StrictModel):
    """One YAML file, complete: every key has a value."""

    name: Name = "experiment"
    """Begins every run's id."""
    dataset: str = ""
    """A dataset's name, `beir:PATH` or `ir_datasets:ID`; the runner's default when left out."""
    collections: dict[Name, Collection] = {}
    """Names for ways of chunking the corpus; what `space.collection` may hold."""
    runner: RunnerSection = RunnerSection()
    """Which runner asks the target, and how patiently."""
    objective: Objective = Objective()
    """What is maximised, and what must hold."""
    baseline: dict[str, ParameterValue] = {}
    """What the winner must beat; parameters that the space does not name keep its values."""
    space: dict[str, Values] = Field(default={}, min_length=1)
    """Parameter → values to try; every combination is a configuration."""
    stages: StagesSection = StagesSection()
    limits: Limits = Limits()
    seed: Annotated[int, Field(ge=0, lt=2**53)] = 20251107
    """Splits the queries, and seeds what the A/B resamples and how its requests arrive."""
    concurrency: Annotated[int, Field(ge=1, le=256)] = 4
    """Threads that ask the target."""
    plugins: dict[str, dict[str, object]] = {}
    """One section per plugin, checked against that plugin's own settings model."""
    paths: Paths = Paths()
    version: Literal[1] = 1
    """The version of this file format."""

    @property
    def unit_timeout_s(self) -> float:
        """Seconds that one call of the runner may take."""
        limits = self.limits
        return min(self.runner.runner_timeout_s, limits.wall, limits.stage or limits.wall)
