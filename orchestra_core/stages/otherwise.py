"""What the A/B would have said had something been counted otherwise: failures, unjudged documents.

A verdict that hangs on such a choice is still the verdict, but the report says what it hangs on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from orchestra_core.evaluation.jobs import Job
from orchestra_core.evaluation.metrics import Scorer, cutoff_of, judged_beside
from orchestra_core.report import Alternative, MetricDifference, Verdict
from orchestra_core.statistics.judging import Arms, Judgement

Qrels = Mapping[str, Mapping[str, int]]
JudgeArms = Callable[[Arms], Judgement]
"""Judges arms exactly as the verdict's own were, at the same look."""
RELEVANT = 1
"""The grade that an unjudged document gets where it is supposed to be relevant."""


def answered(baseline: Job, challenger: Job) -> NDArray[np.bool_]:
    """Which queries failed in neither arm; bool (n_queries,)."""
    failed = baseline.failed_queries | challenger.failed_queries
    return np.array([q not in failed for q in baseline.query_ids], dtype=np.bool_)


def other_failures(
    every: Arms, kept: NDArray[np.bool_], failed: Literal["zero", "drop"], judge: JudgeArms
) -> Iterator[Alternative]:
    """Failures counted the way that was not chosen; nothing when none failed or too few are left."""
    affected = int((~kept).sum())
    if not affected or kept.sum() < 2:
        return
    dropped = failed == "zero"
    found = judge(every.take(kept) if dropped else every)
    yield _alternative("failed_drop" if dropped else "failed_zero", found, affected)


def unjudged_relevant(
    baseline: Job, challenger: Job, objective: str, qrels: Qrels, judge: JudgeArms
) -> Iterator[Alternative]:
    """All that either arm found and nobody judged is relevant; nothing when all was judged.

    The verdict's own figures are the other extreme: what nobody judged is not relevant.
    """
    supposed, affected = _suppose(baseline, challenger, qrels, cutoff_of(objective))
    if not affected:
        return
    scorer = Scorer((objective,), supposed)
    first, second = (scorer.score(j.query_ids, j.rankings()) for j in (baseline, challenger))
    yield _alternative("unjudged_relevant", judge(Arms(first, second)), affected)


def judged_row(baseline: Job, challenger: Job, objective: str) -> MetricDifference:
    """How much of what each arm found was judged at all, down to the objective's cutoff."""
    name = judged_beside(objective)
    a, b = (float(job.scores[name].mean()) for job in (baseline, challenger))
    return MetricDifference(
        metric=name, baseline=a, challenger=b, delta=b - a, ci_low=None, ci_high=None, p_value=None
    )


def doubts(verdict: Verdict) -> list[str]:
    """A warning for each choice that a win hangs on, or that failures decide."""
    return [
        _doubt(verdict, alternative)
        for alternative in verdict.alternatives
        if alternative.kind != verdict.kind
        and (verdict.kind == "win" or alternative.assumption != "unjudged_relevant")
    ]


def _doubt(verdict: Verdict, other: Alternative) -> str:
    kind, otherwise = (k.replace("_", " ") for k in (verdict.kind, other.kind))
    opening = f"this {kind} depends on"
    if other.assumption == "unjudged_relevant":
        share = "" if verdict.judged is None else _shares(verdict.judged)
        return f"{opening} unjudged documents: were all {other.affected:,} relevant, {otherwise}{share}"
    counted = "left out" if other.assumption == "failed_drop" else "counted as zero"
    return f"{opening} failed queries: with the {other.affected:,} that failed {counted}, {otherwise}"


def _shares(row: MetricDifference) -> str:
    return f" ({row.metric} {row.baseline or 0.0:.2f} and {row.challenger or 0.0:.2f})"


def _alternative(
    assumption: Literal["failed_drop", "failed_zero", "unjudged_relevant"],
    found: Judgement,
    affected: int,
) -> Alternative:
    kind, row = found.settled.kind, found.rows[0]
    return Alternative(assumption=assumption, kind=kind, row=row, affected=affected)


def _suppose(
    baseline: Job, challenger: Job, qrels: Qrels, depth: int | None
) -> tuple[dict[str, dict[str, int]], int]:
    """The qrels with every unjudged document that either arm found down to `depth`; their number."""
    supposed, affected = {}, 0
    rankings = baseline.rankings(), challenger.rankings()
    for query_id in baseline.query_ids:
        known = qrels[query_id]
        found = {d for ranking in rankings for d in ranking.get(query_id, ())[:depth]} - known.keys()
        supposed[query_id] = {**known, **dict.fromkeys(sorted(found), RELEVANT)}
        affected += len(found)
    return supposed, affected
