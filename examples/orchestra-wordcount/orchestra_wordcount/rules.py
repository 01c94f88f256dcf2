"""The reflection rule: where every configuration does the same, more queries tell nothing."""

from __future__ import annotations

import numpy as np

from orchestra_core import Decision, RungEvidence


def twins(evidence: RungEvidence, after: int) -> Decision | None:
    """End the grid once all configurations scored alike, query by query, on `after` queries."""
    queries, count = len(evidence.query_ids), len(evidence.configurations)
    if evidence.stage != "grid" or count < 2 or queries < after:
        return None
    scores = np.stack([configuration.scores for configuration in evidence.configurations])
    if np.ptp(scores, axis=0).any():
        return None
    return Decision(
        kind="early_stop",
        rule="twins",
        reason=f"all {count} configurations scored alike on each of {queries} queries",
        figures={"configurations": count, "queries": queries},
    )
