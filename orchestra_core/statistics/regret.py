"""What forced drops may have cost: a bound on the best of them minus the leader."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import log_ndtr

Floats = NDArray[np.float64]


def regret_bound(differences: Sequence[Floats], confidence: float) -> float:
    """Upper bound on the largest true mean among `differences`, simultaneous over all of them; at least 0.

    `differences`: per dropped configuration its scores minus the leader's on the queries that both were
    asked, float64 (n_queries,), in the objective's unit; n may differ. The true means are taken for draws
    from one normal field whose centre and spread the means themselves tell (empirical Bayes; Efron &
    Morris 1975, "Data analysis using Stein's estimator"): a configuration of a weak field that did well
    on five queries did so by luck. The bound is where all posteriors, taken for independent, lie below
    with probability `confidence`. A model, not a guarantee; exact bounds say nothing after five queries.
    Raises ValueError when there are no differences, or an empty one.
    """
    if not differences or not all(d.size for d in differences):
        raise ValueError("nothing to bound")
    means = np.array([d.mean() for d in differences])
    errors = _error_variances(differences)
    spread = max(float(means.var() - errors.mean()), 0.0)
    # The centre is itself uncertain; with one drop alone, the field is that drop.
    prior = spread + float(errors.mean()) / len(means)
    weight = prior / (prior + errors) if len(means) > 1 else np.ones(1)
    centre = weight * means + (1 - weight) * means.mean()
    deviation = np.sqrt(weight * errors) + 1e-12
    return max(0.0, _below_all(centre, deviation, confidence))


def _error_variances(differences: Sequence[Floats]) -> Floats:
    """Variance of each mean: its own and the field's variance per query, in equal parts."""
    sizes = np.array([d.size for d in differences])
    own = np.array([d.var(ddof=1) if d.size > 1 else np.nan for d in differences])
    field = float(np.nanmean(own)) if not np.isnan(own).all() else 1.0
    variances: Floats = (0.5 * np.where(np.isnan(own), field, own) + 0.5 * field) / sizes
    return variances


def _below_all(centre: Floats, deviation: Floats, confidence: float) -> float:
    def shortfall(bound: float) -> float:
        return float(log_ndtr((bound - centre) / deviation).sum() - np.log(confidence))

    reach = 10 * float(deviation.max())
    return float(brentq(shortfall, centre.min() - reach, centre.max() + reach))
