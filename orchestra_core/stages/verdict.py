"""The verdict on two jobs over the same queries, and what puts it into proportion.

Nothing is asked here: the same jobs give the same verdict to the last digit, in a run and in
`orchestra verify`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from orchestra_core.datasets import Dataset
from orchestra_core.errors import MisalignedQueries
from orchestra_core.evaluation.jobs import AGGREGATE_ONLY, Job
from orchestra_core.experiment import Experiment
from orchestra_core.plan import Plan
from orchestra_core.report import Alternative, Verdict
from orchestra_core.stages.comparison import arms_of, timed_arms, timing_warnings
from orchestra_core.stages.conclusion import among_whom
from orchestra_core.stages.moved import moved_queries
from orchestra_core.stages.otherwise import (
    answered,
    doubts,
    judged_row,
    other_failures,
    unjudged_extremes,
)
from orchestra_core.statistics.judging import Arms, Judgement, Rules, judge, last_look
from orchestra_core.statistics.prospects import Timed
from orchestra_core.statistics.spending import spend
from orchestra_core.statistics.verdict import Second

MAX_FAILED_SHARE = 0.3
"""More failed queries than this in an arm, and the A/B claims nothing."""
CUT_SHORT = "a limit of the run was reached before the A/B's next look, which might have settled it"
TEST = (
    "paired by query; empirical likelihood interval for bounded differences; sign-flip randomisation "
    "p-value for all looks, the objective's first, Holm over the others behind it; latency percentiles "
    "by circular block bootstrap over interleaved A B B A requests"
)


@dataclass(frozen=True)
class Pairing:
    """Baseline and challenger over the queries asked so far, at a look that may spend `error`."""

    experiment: Experiment
    dataset: Dataset
    baseline: Job
    challenger: Job
    error: float

    @cached_property
    def every(self) -> Arms:
        """Both arms' scores on all queries, failed ones at zero."""
        return arms_of(self.baseline, self.challenger, self.experiment.objective.maximize)

    @cached_property
    def counted(self) -> Arms:
        """The scores that decide."""
        return self._count(self.every)

    @cached_property
    def timed(self) -> Timed:
        """Latency and cost, for the margins; they spend what quality spends."""
        margins, seed = self.experiment.stages.ab.margin, self.experiment.seed
        return timed_arms(self.baseline, self.challenger, margins, 1 - self.error, seed)

    def judge(self, arms: Arms) -> Judgement:
        """What this look says of `arms`. Raises MisalignedQueries, TooFewQueries."""
        judgement = judge(arms, rules_of(self.experiment), self.error, self.timed)
        told = too_many_failed(self.baseline, self.challenger)
        return judgement.doubted(told) if told else judgement

    def look(self) -> Judgement | None:
        """A look at what counts; None when it may spend nothing."""
        return self.judge(self.counted) if self.error else None

    def alternatives(self) -> tuple[Alternative, ...]:
        """What counting failures or unjudged documents otherwise would say."""
        objective, failed = self.experiment.objective.maximize, self.experiment.stages.ab.failed
        kept = answered(self.baseline, self.challenger)
        return (
            *other_failures(self.every, kept, failed, self.judge),
            *unjudged_extremes(
                self.baseline,
                self.challenger,
                objective,
                self.dataset.qrels,
                lambda arms: self.judge(self._count(arms)),
            ),
        )

    @cached_property
    def drops(self) -> bool:
        """Whether queries that failed in either arm are left out: if so declared, and two are left."""
        kept = answered(self.baseline, self.challenger)
        return self.experiment.stages.ab.failed == "drop" and int(kept.sum()) >= 2

    @property
    def counted_jobs(self) -> tuple[Job, Job]:
        """Both jobs on the queries that count."""
        jobs = self.baseline, self.challenger
        if not self.drops:
            return jobs
        kept = answered(*jobs)
        ids = [q for q, counts in zip(self.baseline.query_ids, kept, strict=True) if counts]
        return jobs[0].only(ids), jobs[1].only(ids)

    def _count(self, arms: Arms) -> Arms:
        return arms.take(answered(self.baseline, self.challenger)) if self.drops else arms


def rules_of(experiment: Experiment) -> Rules:
    """What is the same at every look of the experiment's A/B."""
    ab, minimize = experiment.stages.ab, experiment.objective.minimize
    second = None if minimize is None else Second(minimize, ab.tolerance)
    return Rules(ab.confidence, experiment.stages.grid.epsilon, ab.margin, experiment.seed, second)


def error_of_all(experiment: Experiment) -> float:
    """What all looks at a metric may spend: half of the error, where a second objective may win too."""
    error = 1 - experiment.stages.ab.confidence
    return error if experiment.objective.minimize is None else error / 2


def errors_of(plan: Plan) -> list[float]:
    """What each look of the A/B may spend, so that all together keep the experiment's confidence."""
    sizes = np.cumsum([len(rung) for rung in plan.stage("ab").rungs])
    return spend(error_of_all(plan.experiment), [int(size) for size in sizes])


def verdict_of(pairing: Pairing, looks: int, judgement: Judgement) -> Verdict:
    """What the last look came to, with everything that puts it into proportion."""
    baseline, challenger = pairing.baseline, pairing.challenger
    objective = pairing.experiment.objective.maximize
    settled, prospect = judgement.settled, judgement.prospect
    difference = pairing.counted.difference
    counted = pairing.counted_jobs
    gained, lost = moved_queries(*counted, objective, pairing.dataset.queries)
    verdict = Verdict(
        kind=settled.kind,
        reason=settled.reason,
        metric=objective,
        baseline=baseline.configuration.config_id,
        challenger=challenger.configuration.config_id,
        queries=judgement.queries,
        looks=looks,
        confidence=1 - judgement.error,
        diff_table=(*judgement.rows, *pairing.timed.rows),
        wins=int((difference > 0).sum()),
        ties=int((difference == 0).sum()),
        losses=int((difference < 0).sum()),
        undecided=prospect.metric if prospect and settled.undecided else None,
        queries_needed=prospect.queries_needed if prospect else None,
        detectable=prospect.detectable if prospect else None,
        judged=judged_row(*counted, objective),
        alternatives=pairing.alternatives(),
        gained=gained,
        lost=lost,
        test=TEST,
    )
    failed = (*_failure_warnings(pairing), *timing_warnings(baseline, challenger))
    warnings = (*settled.warnings, *failed, *doubts(verdict))
    return verdict.model_copy(update={"warnings": warnings})


def decide(plan: Plan, dataset: Dataset, arms: Iterable[tuple[Job, Job]]) -> Verdict:
    """The verdict on baseline and challenger as they are after each block of queries.

    No more of `arms` is taken than looks are needed. Raises MisalignedQueries, TooFewQueries.
    """
    seen: list[Pairing] = []
    errors = errors_of(plan)

    def looks() -> Iterator[Judgement | None]:
        for jobs, error in zip(arms, errors, strict=False):
            seen.append(Pairing(plan.experiment, dataset, *jobs, error))
            yield seen[-1].look()

    count, judgement = last_look(looks())
    verdict = verdict_of(seen[-1], count, judgement)
    jobs = (seen[-1].baseline, seen[-1].challenger)
    if any(job.aggregate_only for job in jobs):
        return without_claims(verdict)
    if judgement.is_final or count == len(errors):
        return verdict
    return verdict.model_copy(update={"warnings": (*verdict.warnings, CUT_SHORT)})


def without_claims(verdict: Verdict) -> Verdict:
    """The figures alone, where an arm is `aggregate_only`: what is not known cannot be paired."""
    unknown = {"ci_low": None, "ci_high": None, "p_value": None}
    return verdict.model_copy(
        update={
            "kind": "inconclusive",
            "reason": AGGREGATE_ONLY,
            "diff_table": tuple(row.model_copy(update=unknown) for row in verdict.diff_table),
            "wins": 0,
            "ties": 0,
            "losses": 0,
            "gained": (),
            "lost": (),
            "alternatives": (),
            "undecided": None,
            "queries_needed": None,
            "detectable": None,
            "judged": None,
            "test": "none: " + AGGREGATE_ONLY,
            "warnings": (AGGREGATE_ONLY,),
        }
    )


def replay(plan: Plan, dataset: Dataset, baseline: Job, challenger: Job) -> Verdict:
    """The verdict that a finished A/B came to, look by look, from its two jobs.

    Raises MisalignedQueries, TooFewQueries.
    """
    if baseline.query_ids != challenger.query_ids:
        raise MisalignedQueries("the A/B's arms were not asked the same queries")
    return decide(plan, dataset, _heads(plan, baseline, challenger))


def _heads(plan: Plan, baseline: Job, challenger: Job) -> Iterator[tuple[Job, Job]]:
    asked: tuple[str, ...] = ()
    for block in plan.stage("ab").rungs:
        if asked == baseline.query_ids:
            return
        asked += block
        yield baseline.only(asked), challenger.only(asked)


def nothing_to_compare(
    experiment: Experiment, config_id: str, jobs: Iterable[Mapping[str, Any]]
) -> Verdict:
    """The verdict when the grid led to the baseline itself. `jobs`: as in JOB_DONE."""
    among = among_whom(experiment.objective, jobs)
    return Verdict(
        kind="no_difference",
        reason=f"the grid found nothing better than the baseline itself{among}, so no A/B was needed; "
        "this rests on tuning queries alone",
        metric=experiment.objective.maximize,
        baseline=config_id,
        challenger=config_id,
        test="none: the arms are one configuration",
    )


def too_many_failed(baseline: Job, challenger: Job) -> str | None:
    """Why no claim can rest on the answers: more than `MAX_FAILED_SHARE` of an arm's queries failed."""
    for name, job in (("baseline", baseline), ("challenger", challenger)):
        failed = job.failures.total() / max(1, len(job.query_ids))
        if failed > MAX_FAILED_SHARE:
            return f"{failed:.0%} of the {name}'s queries failed"
    return None


def _failure_warnings(pairing: Pairing) -> list[str]:
    counted = "are left out of both arms" if pairing.drops else "score zero"
    if pairing.experiment.stages.ab.failed == "drop" and not pairing.drops:
        counted += ", since fewer than two queries failed in neither arm"
    found = []
    for name, job in (("baseline", pairing.baseline), ("challenger", pairing.challenger)):
        if count := job.failures.total():
            found.append(f"{count} of the {name}'s queries failed and {counted}")
    return found
