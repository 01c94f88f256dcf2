"""Which queries a challenger answers most differently from the baseline."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from orchestra_core.evaluation.jobs import Job
from orchestra_core.evaluation.metrics import FINER
from orchestra_core.report import MovedQuery

MOST = 10
LONGEST = 200
"""Characters of a query's text that are kept."""


def moved_queries(
    baseline: Job, challenger: Job, objective: str, queries: Mapping[str, str]
) -> tuple[tuple[MovedQuery, ...], tuple[MovedQuery, ...]]:
    """Those that gained most and those that lost most, ten of each at most, largest step first.

    Equal steps are ordered by what nDCG@10 says, then by the order in which they were asked.
    """
    step = challenger.scores[objective] - baseline.scores[objective]
    finer = challenger.scores[FINER] - baseline.scores[FINER]

    def told(row: int) -> MovedQuery:
        query_id = baseline.query_ids[row]
        return MovedQuery(
            query_id=query_id,
            text=shortened(queries[query_id]),
            baseline=float(baseline.scores[objective][row]),
            challenger=float(challenger.scores[objective][row]),
        )

    gained = [row for row in np.lexsort((-finer, -step)) if step[row] > 0]
    lost = [row for row in np.lexsort((finer, step)) if step[row] < 0]
    return tuple(map(told, gained[:MOST])), tuple(map(told, lost[:MOST]))


def shortened(text: str) -> str:
    """One line of at most `LONGEST` characters."""
    line = " ".join(text.split())
    return line if len(line) <= LONGEST else line[: LONGEST - 1].rstrip() + "…"
