"""Vectors on a grid coarse enough that a similarity has the same bits however it is summed.

A matrix product may add in another order for another shape, so one query alone and the same query in
a block could differ in the last bit, and shared work would not rank exactly like work done alone.
On this grid nothing is ever rounded, so there is no order to depend on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from orchestra_fiqa_runner.engine.embedding import Vectors

_STEPS = np.float32(2048)


def on_grid(vectors: Vectors) -> Vectors:
    """Vectors of length at most 1, each number rounded to a multiple of 2**-11.

    Products are multiples of 2**-22, and no partial sum of 256 of them exceeds 2 (Cauchy-Schwarz), so
    both fit float32 exactly. The rounding moves a cosine by less than 0.001.
    """
    rounded: Vectors = np.rint(vectors * _STEPS) / _STEPS
    return rounded
