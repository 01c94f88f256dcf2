"""What timed requests came to: an arm of the A/B, one load, a search over rates."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from orchestra_core.fields import StrictModel


class LatencyFigure(StrictModel):
    """A percentile of latency and its interval, in ms."""

    value: float
    ci_low: float
    ci_high: float


class TimedRequests(StrictModel):
    """The timed requests of one configuration, warm-up left out."""

    requests: int
    """Whose fate is known: answered, or failed."""
    answered: int
    errors: dict[str, int]
    """Reason → count."""
    latency: dict[str, LatencyFigure]
    """`p50_ms`, `p95_ms` and `p99_ms` of what was answered; empty when fewer than two were."""
    confidence: float
    """Of the intervals."""
    sent_late_ms: float | None
    """99 of 100 requests were sent within so many ms of their time: the driver's own doing."""


class LoadFigures(TimedRequests):
    """One configuration at one load."""

    mode: Literal["closed", "open"]
    concurrency: int | None
    """Clients of a closed load."""
    rate: float | None
    """Arrivals per second that an open load asked for."""
    arrivals: Literal["constant", "poisson"] | None
    seconds: float
    """From the first scheduled send to the real end of the last request, failed ones included."""
    scheduled_rate: float | None
    """Requests per second as they were due; of `poisson` arrivals it differs a little from `rate`."""
    sent_rate: float | None
    """Requests per second as they were really sent, repetitions not counted; None below two."""
    achieved_rate: float | None
    """Answers per second, from the first until the last request was sent and 95 of 100 answers were
    there. Where it is less than `sent_rate`, the target bears no more. None below two requests, and
    where the runner does not say when they were due.
    """
    repeated: int
    """Requests that were sent more than once, redirects included."""
    backoff_ms: float | None
    """The mean of their pauses before repetitions, which are latency; None where there is none."""
    p95_with_errors_ms: float | None
    """The p95 if whatever failed is endlessly slow; None where that makes it endless."""


class LoadReport(StrictModel):
    """A search for the highest rate that keeps a limit; what `latency_rate.json` holds."""

    load_id: str
    """Names its folder under the reports folder."""
    created_at: str
    dataset: str
    config_id: str
    limit_ms: float
    """What p95 may be, failures counted as endlessly slow."""
    step_seconds: float
    """How long each rate was held."""
    steps: tuple[LoadFigures, ...] = Field(strict=False)
    """In the order tried."""
    highest_rate: float | None
    """The highest rate, per second, that kept the limit; None when none did."""
    ended: Literal["found", "time", "limits", "interrupted"]
    """Why no further rate was tried."""
