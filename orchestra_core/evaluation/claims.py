"""What a target claims of its quality, beside the rankings that it gives."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from orchestra_core.evaluation.jobs import Job

SLACK = 0.01
"""A claim may be rounded; what differs by more is another figure."""


def contradictions(jobs: Sequence[Job]) -> list[str]:
    """A warning per metric whose claim a job's rankings do not bear out: both figures of the worst.

    A claim may count failed queries as zero, as Orchestra does, or leave them out.
    """
    found: dict[str, tuple[float, str]] = {}
    for job in jobs:
        for name in job.scores:
            gap, told = _gap(job, name)
            if gap > max(SLACK, found.get(name, (0.0, ""))[0]):
                found[name] = gap, told
    return [told for _, told in found.values()]


def _gap(job: Job, name: str) -> tuple[float, str]:
    """How far a claim lies from what the rankings come to, and that in words."""
    seen = job.observations
    rows = [row for row, q in enumerate(job.query_ids) if q in seen and name in seen[q].claimed]
    if not rows:
        return 0.0, ""
    claimed = _mean(seen[job.query_ids[row]].claimed[name] for row in rows)
    own = _mean(job.scores[name][rows])
    answered = [row for row in rows if seen[job.query_ids[row]].failure is None]
    gap = min(abs(claimed - own), abs(claimed - _mean(job.scores[name][answered])))
    told = f"the target claims {name} = {claimed:.4f} for {job.configuration.config_id}"
    return gap, f"{told}, but its own rankings come to {own:.4f}, which is what counts"


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return float(np.mean(found)) if found else 0.0
