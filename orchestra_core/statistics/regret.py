"""What forced drops may have cost: a bound on the best of them minus the leader."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.special import log_ndtr

Floats = NDArray[np.float64]


def regret_bound(differences: Sequence[Floats], confidence: float) -> float:
    """Upper bound on the largest true mean among `differences`, simultaneous over all of them; at
    least 0.

    `differences`: per dropped configuration its scores minus the leader's on the queries that both were
    asked, float64 (n_queries,), in the objective's unit; n may differ. Each mean is taken for normal
    around its true value, all for independent (Sidak 1967, JASA 62; conservative, as they share the
    leader), and the bound is where all true values lie below with probability `confidence`. An
    approximation: after few queries the distribution is not normal, and the leader was chosen for its
    luck. Exact bounds, such as those of `racing`, would say nothing here.
    Raises ValueError when there are no differences, or an empty one.
    """
    if not differences or not all(d.size for d in differences):
        raise ValueError("nothing to bound")
    means = np.array([d.mean() for d in differences])
    return max(0.0, _below_all(means, np.sqrt(_error_variances(differences)) + 1e-12, confidence))


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
