"""Report: what a run found. A view of the journal's fold; reporters see this and nothing else.

`journal.reporting.build_report` makes it from a `RunState`; it can be made again at any time.
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from orchestra_core.course import StageSummary, ToldEvent
from orchestra_core.experiment import Objective
from orchestra_core.fields import StrictModel
from orchestra_core.probing.figures import TimedRequests
from orchestra_core.runner import ParameterValue

RunStatus = Literal["running", "completed", "early_stopped", "failed", "cancelled"]
DecisionKind = Literal["keep", "shrink", "early_stop"]
VerdictKind = Literal["win", "no_difference", "regression", "inconclusive"]
RulingKind = Literal["allow", "warn", "deny"]
Drop = Literal["certain", "equivalent", "forced"]
"""Why a configuration left the race: beaten or infeasible beyond doubt; as good as one that stayed and
no cheaper; or to keep the budget."""
Metrics = dict[str, float | None]
"""Metric key (`recall@10`, `p95_ms`, `cost_per_query`, `count`, `failures`, …) → figure; None where
nothing was measured. Latencies in milliseconds, cost in USD, qualities in 0..1."""


class Decision(StrictModel):
    """What reflection says after a rung."""

    kind: DecisionKind
    reason: str
    """A sentence for people, with the figures that led to it."""
    rule: str
    """The rule's short name, such as `failure_rate`."""
    figures: dict[str, float] = {}
    survivors: tuple[str, ...] = Field(default=(), strict=False)
    """For `shrink`: config_ids that stay in the race, best first."""
    certain: tuple[str, ...] = Field(default=(), strict=False)
    """For `shrink`: those dropped because the evidence settles it."""
    infeasible: tuple[str, ...] = Field(default=(), strict=False)
    """For `shrink`: those of `certain` that are beyond a limit of the objective, however good."""
    equivalent: tuple[str, ...] = Field(default=(), strict=False)
    """For `shrink`: those dropped because a cheaper one that stays is as good within epsilon; drops
    that are neither certain nor equivalent are forced ones."""
    scope: Literal["stage", "run"] = "stage"
    """For `early_stop`: whether this stage ends (and the next begins), or the whole run."""
    plugin: str = ""
    """Filled in by the core, as are `stage` and `rung`."""
    stage: str = ""
    rung: int = 0


class Ruling(StrictModel):
    """What a guard says."""

    kind: RulingKind
    reason: str
    rule: str = ""
    hint: str = ""
    figures: dict[str, float] = {}
    plugin: str = ""
    """Filled in by the core, as is `point` (`plan` or `publish`)."""
    point: str = ""


class MetricDifference(StrictModel):
    """One row of the A/B's difference table; delta is challenger - baseline, in the metric's unit."""

    metric: str
    baseline: float | None
    challenger: float | None
    delta: float | None
    ci_low: float | None
    ci_high: float | None
    p_value: float | None
    """Two-sided; a quality's is for all looks together (divided by the share of the error that this
    look may spend) and adjusted by Holm over metrics. None where only an interval is given."""
    unit: str = ""
    """`ms`, `USD`, or empty for a quality in 0..1."""
    confidence: float = 0.95
    """Of this row's interval."""
    margin: float | None = None
    """The largest increase that is still accepted, in the row's unit; None where none was set."""


class MovedQuery(StrictModel):
    """A query on which the arms differ, with both scores of the objective."""

    query_id: str
    text: str
    """The beginning of it, where it is long."""
    baseline: float
    challenger: float


Assumption = Literal["failed_drop", "failed_zero", "unjudged_baseline", "unjudged_challenger"]


class Alternative(StrictModel):
    """What the same queries would say had something been counted otherwise; it decides nothing."""

    assumption: Assumption
    """Failed queries dropped pairwise, or scoring zero; or the unjudged documents relevant that the
    baseline alone found (the worst for a win), or the challenger alone."""
    kind: VerdictKind
    row: MetricDifference
    """The objective's."""
    affected: int
    """Queries that failed in either arm; or unjudged documents that one arm alone found."""


class Verdict(StrictModel):
    """What the A/B says."""

    kind: VerdictKind
    reason: str
    metric: str
    """The objective."""
    baseline: str
    """config_id."""
    challenger: str
    """config_id; equal to `baseline` when the grid found nothing better to try."""
    queries: int = 0
    looks: int = 1
    """How often the growing sample was tested; the error is spent over the looks."""
    confidence: float = 0.95
    diff_table: tuple[MetricDifference, ...] = Field(default=(), strict=False)
    wins: int = 0
    ties: int = 0
    losses: int = 0
    undecided: str | None = None
    """For `inconclusive`: the metric that keeps it so, the hardest of several; None where no
    metric does, but failures."""
    queries_needed: int | None = None
    """For `inconclusive`: confirmation queries that would probably settle `undecided`, in all."""
    detectable: float | None = None
    """The smallest true difference that so many queries show with 80% chance: of the objective from
    zero, or, where that is `undecided`, of a latency or cost from its margin, in its unit."""
    judged: MetricDifference | None = None
    """Share of what each arm found that anybody judged; without an interval."""
    alternatives: tuple[Alternative, ...] = Field(default=(), strict=False)
    gained: tuple[MovedQuery, ...] = Field(default=(), strict=False)
    """The (at most ten) queries that moved most for the better, the largest step first."""
    lost: tuple[MovedQuery, ...] = Field(default=(), strict=False)
    """The same for the worse."""
    test: str = ""
    """Methods by name, for people who want to check."""
    warnings: tuple[str, ...] = Field(default=(), strict=False)


class JobSummary(StrictModel):
    """The figures of one configuration in one stage; the detail lies in `.runs/<job_id>/`."""

    job_id: str
    config_id: str
    stage: str
    status: Literal["ok", "failed"]
    metrics: Metrics
    failures_by_reason: dict[str, int] = {}
    latency_breakdown_ms: dict[str, float] = {}
    probe: TimedRequests | None = None
    """The timed requests of an arm of the A/B; None in other stages."""
    path: str = ""
    """Folder relative to the home folder."""
    files: dict[str, str] = {}
    """File name → SHA-256 of its content when it was written."""
    aggregate_only: bool = False
    """True: the target told figures over a block and no rankings, so nothing significant follows."""
    comparable: bool | None = True
    """False: the index was another one by the end of this job than when the run began. None: the runner
    could not say."""
    not_comparable_because: str = ""
    """What differs, or why the runner could not say."""
    error: dict[str, Any] | None = None


class Candidate(StrictModel):
    """A configuration as the race left it."""

    config_id: str
    parameters: dict[str, ParameterValue]
    metrics: Metrics
    """From the grid, over `metrics['count']` tuning queries; empty when it was never asked."""
    dropped_in_rung: int | None = None
    """None: it reached the end of the race."""
    drop: Drop | None = None


class Rung(StrictModel):
    """One rung of the race, after reflection."""

    rung: int
    queries: int
    """Queries asked of each survivor so far, this rung's included."""
    entered: int
    survivors: tuple[str, ...] = Field(strict=False)
    dropped_certain: tuple[str, ...] = Field(default=(), strict=False)
    dropped_equivalent: tuple[str, ...] = Field(default=(), strict=False)
    dropped_forced: tuple[str, ...] = Field(default=(), strict=False)
    best: str | None = None
    best_value: float | None = None
    evaluations: int = 0
    """(configuration, query) pairs asked in this rung alone."""


class Winner(StrictModel):
    """The configuration the run recommends."""

    config_id: str
    parameters: dict[str, ParameterValue]
    metrics: Metrics
    """From the A/B's confirmation queries."""
    is_baseline: bool = False


class IdOverlap(StrictModel):
    """Whether target and dataset speak of the same documents, as the smoke test saw it."""

    share: float | None
    """Of the retrieved ids, how many the corpus has; None when nothing was retrieved."""
    retrieved: tuple[str, ...] = Field(default=(), strict=False)
    """Examples of what the target says."""
    dataset: tuple[str, ...] = Field(default=(), strict=False)
    """Examples of what the dataset says."""


class PluginRecord(StrictModel):
    """A plugin that took part."""

    name: str
    version: str
    distribution: str
    hooks: tuple[str, ...] = Field(default=(), strict=False)


class Report(StrictModel):
    """Everything a reporter may tell."""

    run_id: str
    name: str
    status: RunStatus
    started_at: str
    """ISO 8601, UTC."""
    ended_at: str | None
    dataset: str
    plan_hash: str
    objective: Objective
    fingerprint: dict[str, Any]
    plugins: tuple[PluginRecord, ...] = Field(strict=False)
    baseline: Candidate
    candidates: tuple[Candidate, ...] = Field(strict=False)
    """In plan order; without the baseline unless the space holds it too."""
    jobs: tuple[JobSummary, ...] = Field(strict=False)
    rungs: tuple[Rung, ...] = Field(default=(), strict=False)
    ids: IdOverlap | None = None
    """None before the smoke test has looked."""
    decisions: tuple[Decision, ...] = Field(default=(), strict=False)
    rulings: tuple[Ruling, ...] = Field(default=(), strict=False)
    verdict: Verdict | None = None
    winner: Winner | None = None
    published: bool = False
    not_published_because: str = ""
    evaluations: int = 0
    """(configuration, query) pairs asked in the grid."""
    evaluations_full: int = 0
    """What the full grid would have taken."""
    ab_load: str = ""
    """How the A/B's timed requests arrive: `closed, 1 client` or `open, 50/s poisson`."""
    regret_bound: float | None = None
    """By how much, at most, the best of the forced drops is better than the race's leader, in the
    objective's unit, with confidence 1 - delta by a model of the field; None: nothing to bound, or
    two objectives."""
    front: tuple[str, ...] = Field(default=(), strict=False)
    """With a second objective: config_ids that reached the end of the race and of which no other is
    better in both, by rising latency or cost."""
    requests: int = 0
    """Evaluations and timed requests over all stages."""
    cost_usd: float = 0.0
    failures: dict[str, int] = {}
    """Reason → how many requests failed with it, over all stages."""
    warnings: tuple[str, ...] = Field(default=(), strict=False)
    error: dict[str, Any] | None = None
    """`type, msg, hint, details` when the run failed."""
    stages: tuple[StageSummary, ...] = Field(default=(), strict=False)
    events: tuple[ToldEvent, ...] = Field(default=(), strict=False)
    """The last ones that people read, up to the run's ending."""

    @property
    def grid_decision(self) -> Decision | None:
        """The last decision that shaped the race, else the last one of all."""
        shaping = [d for d in self.decisions if d.kind != "keep"]
        ordered = shaping or list(self.decisions)
        return ordered[-1] if ordered else None

    @property
    def denied_because(self) -> str:
        """Why guards denied publication; empty when none did."""
        told = [r.reason for r in self.rulings if (r.kind, r.point) == ("deny", "publish")]
        return "; ".join(dict.fromkeys(told))

    def candidate(self, config_id: str) -> Candidate:
        """The baseline or a candidate by id. Raises KeyError."""
        for candidate in (*self.candidates, self.baseline):
            if candidate.config_id == config_id:
                return candidate
        raise KeyError(config_id)

    def job(self, stage: str, config_id: str) -> JobSummary | None:
        """The job of one configuration in one stage, or None."""
        for job in self.jobs:
            if job.stage == stage and job.config_id == config_id:
                return job
        return None
