"""The race with two objectives: who is dominated beyond doubt, and who is on the front as measured.

One step of it, as `racing.race_step` is one step of the race with a single objective.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestra_core.statistics.feasibility import no_cheaper
from orchestra_core.statistics.pareto import front
from orchestra_core.statistics.racing import Eligible, Flags, Matrix, RaceStep, log_wealth, settled
from orchestra_core.statistics.ranking import MATERIAL_SHARE

Samples = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Burden:
    """What is minimised beside quality."""

    figures: Samples
    """Float64 (n_configurations,): the figure as measured, such as the p95; infinite: none was."""
    samples: Sequence[Samples]
    """Per configuration what each timed request took, float64 (n_samples,), above 0, same unit."""
    field: int
    """Configurations that entered the race, over whose ordered pairs the error is spread."""
    looks: int
    """How often the race may look, over which it is spread as well."""
    material: float = MATERIAL_SHARE
    """Cheaper by less than this share is no cheaper."""


def front_step(
    scores: Matrix,
    finer: Matrix,
    burden: Burden,
    *,
    delta: float,
    keep_at_most: int | None,
    alike: Matrix,
    eligible: Eligible | None,
    cheapest: Callable[[Sequence[int]], int],
) -> RaceStep:
    """Drop what is dominated, then twins; then, to keep a budget, what is behind the front.

    The arguments are those of `racing.race_step`. Nobody who is on the front as measured is forced
    out; behind it, fronts are peeled off one by one (non-dominated sorting; Deb et al. 2002, IEEE
    Transactions on Evolutionary Computation 6), by mean within each. Rows that may not lead come last.
    """
    free = np.ones(len(scores), dtype=bool)
    may_lead = free if eligible is None or not eligible.lead.any() else eligible.lead
    prove = free if eligible is None else eligible.prove
    certain = dominated_beyond_doubt(scores, burden, delta, prove)
    # The finer metric orders what the objective ties, as it does for everybody on a few queries.
    means = np.stack([scores.mean(axis=1), finer.mean(axis=1)])
    quality = np.unique(means, axis=1, return_inverse=True)[1]
    layers = _layers(quality, burden.figures, may_lead)
    best_first = sorted(range(len(scores)), key=lambda i: (layers[i], -quality[i], i))
    return settled(
        best_first,
        certain,
        # Who is probably a twin may still be on the front, so only certainty collapses.
        np.where(alike >= 1 - delta, alike, 0.0),
        sure=1 - delta,
        keep_at_most=keep_at_most,
        spared={i for i in best_first if layers[i] == 0},
        cheapest=cheapest,
    )


def dominated_beyond_doubt(scores: Matrix, burden: Burden, delta: float, prove: Flags) -> list[int]:
    """Rows that some row on the front beats in quality while typically no cheaper, both beyond doubt.

    A row is dropped for another one only when both are shown: that it is worse, by betting (see
    `racing.beaten_beyond_doubt`), and that it is no cheaper (`feasibility.no_cheaper`). If in truth it
    is not dominated, one of the two is false, and the test of that one errs with a chance of at most
    its level; the other needs no share of the error (intersection-union test; Berger 1982,
    Technometrics 24). The level is `delta` over all ordered pairs of the `field`, so it matters not
    which rows are compared; the second test, which is not valid at all times, divides it by the looks
    as well. So the chance of ever dropping one that none dominates in quality and *typical* cost stays
    below `delta`. A percentile may say otherwise, and so few requests prove nothing of it: who is
    materially cheaper by the figure as measured stays, whatever is typical.
    """
    means, pairs = scores.mean(axis=1), max(1, burden.field * (burden.field - 1))
    chosen = np.flatnonzero(prove)
    rivals = [int(chosen[i]) for i in front([(means[j], burden.figures[j]) for j in chosen])]
    found: set[int] = set()
    for rival in rivals:
        worse = log_wealth(scores[rival] - scores) > np.log(pairs / delta)
        found |= {
            i
            for i in map(int, np.flatnonzero(worse))
            if burden.figures[i] >= burden.figures[rival] * (1 - burden.material)
            and no_cheaper(
                burden.samples[i],
                burden.samples[rival],
                burden.material,
                delta / (pairs * burden.looks),
            )
        }
    return sorted(found)


def _layers(quality: NDArray[np.int64], figures: Samples, may_lead: Flags) -> list[int]:
    """0 for the front, 1 for the front of what remains, and so on; who may not lead comes last."""
    layers, left, layer = [len(quality)] * len(quality), [int(i) for i in np.flatnonzero(may_lead)], 0
    while left:
        peeled = {left[i] for i in front([(quality[j], figures[j]) for j in left])}
        for index in peeled:
            layers[index] = layer
        left, layer = [i for i in left if i not in peeled], layer + 1
    return layers
