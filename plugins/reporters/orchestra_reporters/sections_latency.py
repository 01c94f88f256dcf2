"""The section of `winners.md` on how the arms were timed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestra_core.metric_names import PERCENTILES
from orchestra_core.telling.units import MISSING, figure, with_unit
from orchestra_reporters.markdown import table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from orchestra_core import Report, TimedRequests


def arms(report: Report) -> str:
    """Each arm's percentiles with intervals, its errors, and the load that they hold for."""
    rows = [_row(arm, probe) for arm, probe in timed_arms(report)]
    if not rows:
        return ""
    header = ("Arm", "p50", "p95", "p99", "Answered", "Errors", "Sent within")
    told = (
        f"Timed requests: {report.ab_load}; both arms in turns, over the same queries. Latency counts "
        "from the scheduled send. In brackets, 95% intervals (block bootstrap)."
    )
    return f"{told}\n\n{table(header, rows)}"


def timed_arms(report: Report) -> Iterator[tuple[str, TimedRequests]]:
    """The arms of the A/B that were timed, by name."""
    if report.verdict is None:
        return
    for arm, config_id in (("baseline", report.verdict.baseline), ("challenger", _other(report))):
        job = report.job("ab", config_id)
        if job is not None and job.probe is not None:
            yield arm, job.probe


def _other(report: Report) -> str:
    verdict = report.verdict
    return verdict.challenger if verdict and verdict.challenger != verdict.baseline else ""


def _row(arm: str, probe: TimedRequests) -> tuple[str, ...]:
    return (
        arm,
        *(_interval(probe, name) for name in PERCENTILES),
        f"{probe.answered:,} of {probe.requests:,}",
        ", ".join(f"{reason}: {count:,}" for reason, count in probe.errors.items()) or "none",
        with_unit(probe.sent_late_ms, "ms"),
    )


def _interval(probe: TimedRequests, name: str) -> str:
    found = probe.latency.get(name)
    if found is None:
        return MISSING
    low, high = figure(found.ci_low, "ms"), figure(found.ci_high, "ms")
    return f"{figure(found.value, 'ms')} ms ({low} to {high})"
