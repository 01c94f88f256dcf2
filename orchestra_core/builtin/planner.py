"""The default planner: split the queries, expand the space, size the stages."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

from orchestra_core.errors import ExperimentError
from orchestra_core.experiment import Experiment
from orchestra_core.hookspecs import hookimpl
from orchestra_core.parameters import baseline_configuration, expand
from orchestra_core.payloads import PlanRequest
from orchestra_core.plan import Configuration, Plan, StagePlan
from orchestra_core.scheduling.load import most_clients

SMALLEST_RUNG = 5
GRID_WARMUP = 2
AB_WARMUP = 5
GROWTH = 1.5


@hookimpl(trylast=True)
def orchestra_plan(request: PlanRequest) -> Plan:
    """Smoke, a grid in rungs of growing size, a growing A/B, select, publish."""
    experiment = request.experiment
    _check_rate(request)
    query_ids = [query.query_id for query in request.dataset.judged_queries()]
    tuning, confirmation = split_queries(query_ids, experiment)
    baseline = baseline_configuration(experiment, request.description)
    configurations = expand(experiment, request.description)
    stages = (
        _smoke(experiment, baseline, configurations, tuning),
        _grid(experiment, configurations, tuning),
        _ab(experiment, confirmation),
        StagePlan(name="select"),
        StagePlan(name="publish"),
    )
    return Plan(
        experiment=experiment,
        dataset=request.dataset.name,
        dataset_sha256=request.dataset.sha256,
        queries=len(query_ids),
        baseline=baseline,
        configurations=configurations,
        tuning=tuning,
        confirmation=confirmation,
        stages=stages,
    )


def split_queries(
    query_ids: Sequence[str], experiment: Experiment
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Disjoint tuning and confirmation ids, each in the order of use.

    Membership follows the experiment's seed, the confirmation order the A/B's. Order is by hash, so
    it is the same on every machine and hardly changes when a few queries are added.
    Raises ExperimentError when the samples do not fit.
    """
    stages = experiment.stages
    shuffled = _order(query_ids, experiment.seed)
    size = max(round(len(shuffled) * stages.confirmation), stages.ab.sample)
    wanted = max(stages.smoke.sample, stages.grid.sample)
    if size + wanted > len(shuffled):
        raise _too_large(len(shuffled), stages.ab.sample, wanted, experiment)
    confirmation, tuning = shuffled[:size], shuffled[size:]
    ab_seed = experiment.seed if stages.ab.seed is None else stages.ab.seed
    return tuple(tuning), tuple(_order(confirmation, ab_seed))


def rung_sizes(sample: int, budget: float) -> list[int]:
    """Cumulative queries after each rung: growing by half, the first one a third of an even budget.

    Both were measured (`benchmarks/claims/race.py`): small first rungs leave the most for those that
    matter, while below five queries luck decides; doubling drops too many at a time.
    """
    sizes = [min(sample, max(SMALLEST_RUNG, round(sample * budget / 3)))]
    while sizes[-1] < sample:
        # A last rung of less than half a step would cost a reflection and tell little.
        grown = math.ceil(GROWTH * sizes[-1])
        sizes.append(sample if grown * (1 + GROWTH) / 2 > sample else grown)
    return sizes


def _check_rate(request: PlanRequest) -> None:
    """A rate that the runner's own limit holds back is no such rate."""
    rate, limit = request.experiment.stages.ab.load.rate, request.experiment.runner.rate_limit_per_sec
    if rate is not None and request.description.rate_limited and 0 < limit < rate:
        raise ExperimentError(
            f"{rate:g} requests per second are more than runner.rate_limit_per_sec = {limit:g}",
            where="stages.ab.load.rate",
            hint="Lower the rate, or where the target may be asked faster set the limit to 0.",
        )


def _order(query_ids: Sequence[str], seed: int) -> list[str]:
    return sorted(query_ids, key=lambda q: hashlib.sha256(f"{seed}:{q}".encode()).digest())


def _smoke(
    experiment: Experiment,
    baseline: Configuration,
    configurations: Sequence[Configuration],
    tuning: tuple[str, ...],
) -> StagePlan:
    section = experiment.stages.smoke
    count = min(section.configurations, len(configurations))
    # The two ends and evenly between: the corners of a space fail first.
    steps = {round(i * (len(configurations) - 1) / max(1, count - 1)) for i in range(count)}
    chosen = [configurations[i].config_id for i in sorted(steps)]
    config_ids = tuple(dict.fromkeys([baseline.config_id, *chosen]))
    rung = tuning[: section.sample]
    return StagePlan(
        name="smoke", config_ids=config_ids, rungs=(rung,), requests=len(config_ids) * len(rung)
    )


def _grid(
    experiment: Experiment, configurations: Sequence[Configuration], tuning: tuple[str, ...]
) -> StagePlan:
    section = experiment.stages.grid
    if experiment.objective.minimize is not None and section.probe < 2:
        raise ExperimentError(
            f"objective.minimize needs at least 2 timed requests, found {section.probe}",
            where="stages.grid.probe",
            hint="Give 10 or more, or remove objective.minimize.",
        )
    ends = rung_sizes(section.sample, section.budget)
    starts = [0, *ends[:-1]]
    rungs = tuple(tuning[start:end] for start, end in zip(starts, ends, strict=True))
    evaluations = evaluations_allowed(len(configurations), section.sample, section.budget, ends[0])
    probes = len(configurations) * sum(min(section.probe, len(rung)) + GRID_WARMUP for rung in rungs)
    return StagePlan(
        name="grid",
        config_ids=tuple(c.config_id for c in configurations),
        rungs=rungs,
        probes=section.probe,
        warmup=GRID_WARMUP,
        requests=evaluations + (probes if section.probe else 0),
    )


def evaluations_allowed(configurations: int, sample: int, budget: float, first_rung: int) -> int:
    """The grid's budget in evaluations.

    Never less than the first rung for everyone and the whole sample for two finalists: a race of a few
    configurations that ends after eight queries would say nothing.
    """
    finalists = min(configurations, 2) * (sample - first_rung)
    return max(math.ceil(configurations * sample * budget), configurations * first_rung + finalists)


def _ab(experiment: Experiment, confirmation: tuple[str, ...]) -> StagePlan:
    first = experiment.stages.ab.sample
    rungs = tuple(block for block in (confirmation[:first], confirmation[first:]) if block)
    clients, most = experiment.stages.ab.load.concurrency, most_clients(min(first, len(confirmation)))
    if clients > most:
        raise ExperimentError(
            f"{clients} clients are never busy at once: A B B A gives an arm {most} queries at a time",
            where="stages.ab.load.concurrency",
            hint=f"Give at most {most}, or a larger stages.ab.sample.",
        )
    timed = [len(rung) for rung in rungs if most_clients(len(rung)) >= clients]
    requests = 2 * (len(confirmation) + sum(timed) + AB_WARMUP * len(timed))
    return StagePlan(name="ab", rungs=rungs, probes=max(timed), warmup=AB_WARMUP, requests=requests)


def _too_large(queries: int, ab: int, tuning: int, experiment: Experiment) -> ExperimentError:
    share = experiment.stages.confirmation
    return ExperimentError(
        f"the samples do not fit: {queries} labelled queries cannot give {tuning} for tuning (smoke "
        f"and grid) and {max(ab, round(queries * share))} for confirmation (A/B; share {share:g})",
        where="stages",
        hint="Lower stages.grid.sample, stages.smoke.sample, stages.ab.sample or stages.confirmation.",
    )
