"""What was asked and what was seen: the noun between a plan and a report.

Runners produce these, executors carry them, `evaluation` scores them, `artifacts` stores them.
Plain frozen dataclasses, because a run makes hundreds of thousands of them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from textwrap import shorten
from typing import Any

LONGEST_MESSAGE = 200
"""Characters of a target's message that a sentence about it repeats."""


@dataclass(frozen=True, slots=True)
class Query:
    """One question of the dataset."""

    query_id: str
    text: str


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a request gave no ranking."""

    reason: str
    """Short and countable: `timeout`, `http_503`, `ValueError`."""
    message: str
    hint: str = ""


def most_frequent(failures: Iterable[Failure]) -> str:
    """The most frequent reason with its first message, as a sentence; empty when nothing failed."""
    found = list(failures)
    if not found:
        return ""
    (reason, _), *_ = Counter(failure.reason for failure in found).most_common(1)
    message = next(failure.message for failure in found if failure.reason == reason)
    told = shorten(message, LONGEST_MESSAGE, placeholder=" …")
    return f"Most often {reason}: {told}" if told else f"Most often {reason}"


@dataclass(frozen=True, slots=True)
class Observation:
    """What was seen for one (configuration, query)."""

    config_id: str
    query_id: str
    ranking: tuple[str, ...] = ()
    """Document ids, best first, no duplicates; empty when failed."""
    scores: tuple[float, ...] = ()
    """The target's own scores aligned to `ranking`; may be empty."""
    latency_ms: float | None = None
    """Milliseconds of this very request; None where work was shared with other configurations."""
    cost: float | None = None
    """USD of this very request, also of one that failed; None where the runner only prices probes, and
    where another's request was shared: each counts in the budget once."""
    attempts: int = 1
    breakdown_ms: Mapping[str, float] = field(default_factory=dict)
    failure: Failure | None = None
    reported: Mapping[str, float] = field(default_factory=dict)
    """Metric → what the target itself says of the whole block, where it can give no ranking:
    `recall@10`, `p95_ms`, `cost_per_query`, … The job is then `aggregate_only`: nothing is claimed."""
    claimed: Mapping[str, float] = field(default_factory=dict)
    """Metric → what the target says of the whole block beside its rankings, in every observation of it.
    It counts for nothing; the smoke test warns where the rankings come to something else."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a runner says of one probed request; when it was sent and took how long, `drive` knows."""

    cost: float | None = None
    """USD of this request by the runner's cost model."""
    breakdown_ms: Mapping[str, float] = field(default_factory=dict)
    """Part → milliseconds."""
    failure: Failure | None = None
    attempts: int = 1
    """Requests sent, repetitions included."""
    held_ms: float = 0.0
    """For how long the asking side held the request back, by its own limits; no part of the latency."""


@dataclass(frozen=True, slots=True)
class LatencySample:
    """One timed request of a probe; never answered from shared or cached work."""

    config_id: str
    query_id: str
    latency_ms: float
    """Milliseconds from the scheduled send to the full answer."""
    scheduled_s: float = 0.0
    """Seconds from the first reported request to this one's scheduled send."""
    sent_s: float = 0.0
    """The same for the actual send: later where no client was free; when given up for `saturated`."""
    cost: float | None = None
    """USD of this request by the runner's cost model."""
    breakdown_ms: Mapping[str, float] = field(default_factory=dict)
    failure: Failure | None = None
    attempts: int = 1
    warmup_cost: float = 0.0
    """USD of warm-up requests that were answered before it; counts in the budget alone."""


def charged(item: Observation | LatencySample) -> float:
    """USD that the target charged until this answer and after the one before it."""
    warmup = item.warmup_cost if isinstance(item, LatencySample) else 0.0
    return warmup + (item.cost or 0.0)


@dataclass(frozen=True, slots=True)
class Unit:
    """The piece of work that an executor hands to a runner: configurations × a query block."""

    stage: str
    rung: int
    config_ids: tuple[str, ...]
    query_ids: tuple[str, ...]

    @property
    def size(self) -> int:
        """Number of (configuration, query) evaluations."""
        return len(self.config_ids) * len(self.query_ids)


@dataclass(frozen=True, slots=True)
class UnitResult:
    """What came back for a unit; `error` when the runner failed as a whole."""

    unit: Unit
    observations: tuple[Observation, ...]
    seconds: float
    error: Mapping[str, Any] | None = None
