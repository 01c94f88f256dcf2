"""Which configuration is best: by quality, then latency, cost, finer quality, and plan order.

Timings are noisy, so a latency or cost counts as better only when the difference is material;
otherwise two runs of one plan would crown different twins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

MATERIAL_MS = 5.0
"""A latency difference below this breaks no tie."""
MATERIAL_SHARE = 0.1
"""Cheaper or faster by less than this is no reason to prefer a configuration."""
MATERIAL_USD = 1e-6
"""Per query: a dollar per million queries. Below that a cost by CPU time is mostly noise."""


@dataclass(frozen=True, slots=True)
class Standing:
    """What ranks a configuration; latency in ms, cost in USD; None: not measured."""

    config_id: str
    quality: float
    finer: float
    """A finer quality than the objective, such as nDCG@10."""
    latency: float | None
    cost: float | None


def best(
    standings: Sequence[Standing],
    *,
    material_ms: float,
    material_share: float,
    material_usd: float = MATERIAL_USD,
) -> Standing:
    """The best standing. `standings` come in plan order and are not empty.

    Quality decides exactly. Among equals, whoever is more than `material_ms` (and more than
    `material_share` of the fastest) slower than the fastest is out; likewise for cost. Among the rest
    the finer quality decides, and plan order among true twins.
    """
    top = max(s.quality for s in standings)
    tied = [s for s in standings if s.quality == top]
    tied = _without_worse(tied, [s.latency for s in tied], material_ms, material_share)
    tied = _without_worse(tied, [s.cost for s in tied], material_usd, material_share)
    return max(tied, key=lambda s: s.finer)  # the first of equals


def _without_worse(
    tied: Sequence[Standing], figures: Sequence[float | None], absolute: float, share: float
) -> list[Standing]:
    known = [f for f in figures if f is not None]
    if not known:
        return list(tied)
    lowest = min(known)
    limit = lowest + max(absolute, share * lowest)
    return [s for s, f in zip(tied, figures, strict=True) if f is not None and f <= limit]
