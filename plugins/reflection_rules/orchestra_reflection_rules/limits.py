"""Limits of the objective: who is beyond them for certain, who within, who as measured.

What is called certain may err with a chance of `delta` in all. Where there are limits, half of it goes
to them: wrongly beyond can only be who keeps them, wrongly within only who does not, so both kinds of
error share that half, spread over configurations and rungs. The other half compares qualities.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from orchestra_core import ConfigurationEvidence, RungEvidence
from orchestra_core.metric_names import PERCENTILES
from orchestra_core.statistics.feasibility import (
    mean_exceeds,
    mean_within,
    percentile_exceeds,
    percentile_within,
)


def spent_on_quality(evidence: RungEvidence) -> float:
    """The error that comparing qualities may spend over the whole race."""
    delta = evidence.plan.experiment.stages.grid.delta
    return delta / 2 if _limits(evidence) else delta


def infeasible(evidence: RungEvidence) -> list[int]:
    """Rows confidently beyond a limit of the objective; none when that would be everybody."""
    found = _beyond(evidence)
    return found if len(found) < len(evidence.configurations) else []


def keeping(evidence: RungEvidence, chosen: Sequence[ConfigurationEvidence]) -> NDArray[np.bool_]:
    """Who keeps all limits as far as was measured; bool (n_chosen,)."""
    limits = _limits(evidence)
    figures = [[(c.metrics.get(name), limit) for name, limit in limits.items()] for c in chosen]
    return np.array([all(f is None or f <= limit for f, limit in row) for row in figures], dtype=bool)


def proving(evidence: RungEvidence, chosen: Sequence[ConfigurationEvidence]) -> NDArray[np.bool_]:
    """Who may prove others beaten: whoever keeps all limits for certain; bool (n_chosen,).

    Keeping them as measured may be luck, and whoever is beaten is so for good. What was measured of
    nobody is no limit here; where everybody is beyond the limits for certain, quality alone decides.
    """
    limits = {
        n: x for n, x in _limits(evidence).items() if any(_samples(c, n) is not None for c in chosen)
    }
    if not limits or len(_beyond(evidence)) == len(evidence.configurations):
        return np.ones(len(chosen), dtype=bool)
    # Who breaks the limits breaks one of them, so each may be shown at the whole level.
    error = _error(evidence)
    found = [all(_within(one, n, x, error) for n, x in limits.items()) for one in chosen]
    return np.array(found, dtype=bool)


def _limits(evidence: RungEvidence) -> dict[str, float]:
    return dict(evidence.plan.experiment.objective.subject_to)


def _error(evidence: RungEvidence) -> float:
    """What one look at one configuration may spend on limits."""
    looks = len(evidence.plan.stage("grid").config_ids) * evidence.rungs
    return evidence.plan.experiment.stages.grid.delta / 2 / max(1, looks)


def _beyond(evidence: RungEvidence) -> list[int]:
    limits = _limits(evidence)
    error = _error(evidence) / max(1, len(limits))
    return [
        i
        for i, one in enumerate(evidence.configurations)
        if any(_exceeds(one, name, limit, error) for name, limit in limits.items())
    ]


def _samples(one: ConfigurationEvidence, name: str) -> NDArray[np.float64] | None:
    """What a limit is about, as far as it was measured; None: not at all."""
    found = one.latencies_ms if name in PERCENTILES else one.costs
    return found if found is not None and found.size else None


def _exceeds(one: ConfigurationEvidence, name: str, limit: float, error: float) -> bool:
    samples = _samples(one, name)
    if samples is None:
        return False
    if name in PERCENTILES:
        return percentile_exceeds(samples, limit, PERCENTILES[name], error)
    return mean_exceeds(samples, limit, error)


def _within(one: ConfigurationEvidence, name: str, limit: float, error: float) -> bool:
    samples = _samples(one, name)
    if samples is None:
        return False
    if name in PERCENTILES:
        return percentile_within(samples, limit, PERCENTILES[name], error)
    return mean_within(samples, limit, error)
