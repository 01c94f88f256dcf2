"""What the A/B would have said had something been counted otherwise: failures, unjudged documents.

A verdict that hangs on such a choice is still the verdict, but the report says what it hangs on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from orchestra_core.evaluation.jobs import Job
from orchestra_core.evaluation.metrics import Scorer, cutoff_of, judged_beside
from orchestra_core.report import Alternative, Assumption, MetricDifference, Verdict
from orchestra_core.statistics.judging import Arms, Judgement

Qrels = Mapping[str, Mapping[str, int]]
JudgeArms = Callable[[Arms], Judgement]
"""Judges arms exactly as the verdict's own were, at the same look."""
RELEVANT = 1
"""The grade that an unjudged document gets where it is supposed to be relevant."""
_OF_FAILURES = ("failed_drop", "failed_zero")


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


def unjudged_extremes(
    baseline: Job, challenger: Job, objective: str, qrels: Qrels, judge: JudgeArms
) -> Iterator[Alternative]:
    """What nobody judged is relevant where one arm alone found it: the baseline, then the challenger.

    The first is the worst for the challenger, the second the best. Documents that both found stay not
    relevant: they move both arms alike but for their places. An arm without such finds gives nothing:
    then the verdict's own figures are that extreme.
    """
    jobs, depth = (baseline, challenger), cutoff_of(objective)
    found = [_unjudged(job, baseline.query_ids, qrels, depth) for job in jobs]
    sides: tuple[tuple[Assumption, int], ...] = (("unjudged_baseline", 0), ("unjudged_challenger", 1))
    for assumption, side in sides:
        own, others = found[side], found[1 - side]
        only = {query_id: sorted(own[query_id] - others[query_id]) for query_id in own}
        if affected := sum(map(len, only.values())):
            supposed = {q: {**qrels[q], **dict.fromkeys(only[q], RELEVANT)} for q in only}
            scorer = Scorer((objective,), supposed)
            first, second = (scorer.score(job.query_ids, job.rankings()) for job in jobs)
            yield _alternative(assumption, judge(Arms(first, second)), affected)


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
        and (alternative.assumption in _OF_FAILURES or _worst_for(verdict, alternative))
    ]


def _worst_for(verdict: Verdict, alternative: Alternative) -> bool:
    return verdict.kind == "win" and alternative.assumption == "unjudged_baseline"


def _doubt(verdict: Verdict, other: Alternative) -> str:
    kind, otherwise = (k.replace("_", " ") for k in (verdict.kind, other.kind))
    opening = f"this {kind} depends on"
    if other.assumption not in _OF_FAILURES:
        share = "" if verdict.judged is None else _shares(verdict.judged)
        finds = f"the {other.affected:,} that the baseline alone found"
        return f"{opening} unjudged documents: were {finds} relevant, {otherwise}{share}"
    counted = "left out" if other.assumption == "failed_drop" else "counted as zero"
    return f"{opening} failed queries: with the {other.affected:,} that failed {counted}, {otherwise}"


def _shares(row: MetricDifference) -> str:
    return f" ({row.metric} {row.baseline or 0.0:.2f} and {row.challenger or 0.0:.2f})"


def _alternative(assumption: Assumption, found: Judgement, affected: int) -> Alternative:
    kind, row = found.settled.kind, found.rows[0]
    return Alternative(assumption=assumption, kind=kind, row=row, affected=affected)


def _unjudged(
    job: Job, query_ids: Sequence[str], qrels: Qrels, depth: int | None
) -> dict[str, set[str]]:
    """Query id → documents without a judgement that the job found down to `depth`."""
    rankings = job.rankings()
    return {q: set(rankings.get(q, ())[:depth]) - qrels[q].keys() for q in query_ids}
