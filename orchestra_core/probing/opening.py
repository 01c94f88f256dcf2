"""Open one configuration's target for a probe, outside of any run."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf, isfinite

from orchestra_core.errors import UsageError, nearest
from orchestra_core.observation import LatencySample, Query
from orchestra_core.plan import Configuration, Plan
from orchestra_core.probing.measuring import Cycled
from orchestra_core.runner import Load, Runner
from orchestra_core.scheduling.budget import Budget
from orchestra_core.scheduling.health import healthy
from orchestra_core.session import Session


@dataclass(frozen=True)
class OpenTarget:
    """A healthy target, one configuration, and the tuning queries to ask it."""

    plan: Plan
    configuration: Configuration
    runner: Runner
    queries: Sequence[Query]
    budget: Budget

    @property
    def requests_left(self) -> int:
        """What `limits.requests` still allows."""
        return max(0, self.budget.limits.requests - self.budget.requests)

    def probe(self, load: Load, requests: int) -> Iterable[LatencySample]:
        """So many timed requests at a load. Raises BudgetExhausted before any is sent."""
        self.budget.check(requests + load.warmup)
        return self.runner.probe(self.configuration, Cycled(self.queries, requests), load)


@contextmanager
def open_target(session: Session, config_id: str | None) -> Iterator[OpenTarget]:
    """The target of a configuration, the baseline's when None; closed at the end.

    Raises UsageError for a configuration that the space does not have, HealthFailed.
    """
    dataset = session.open_dataset()
    plan = session.make_plan(dataset)
    configuration = _find(plan, config_id)
    texts = {query.query_id: query for query in dataset.judged_queries()}
    budget = Budget(plan.experiment.limits.model_copy(update={"wall": inf, "stage": None}))
    runner = session.open_runner(plan, dataset, budget=budget)
    try:
        healthy(runner)
        queries = [texts[query_id] for query_id in plan.tuning]
        yield OpenTarget(plan, configuration, runner, queries, budget)
    finally:
        runner.close()


def refuse_a_held_back_rate(session: Session, rate: float) -> None:
    """Raise UsageError for a rate that the runner's own limit would hold back, which is no load.

    A search has no highest rate, so it is infinite: then any limit is in its way.
    """
    limit = session.experiment.runner.rate_limit_per_sec
    if session.description.rate_limited and 0 < limit < rate:
        told = f"{rate:g} requests per second are" if isfinite(rate) else "the rates of a search may be"
        raise UsageError(
            f"{told} more than runner.rate_limit_per_sec = {limit:g}",
            hint="Where the target may be asked faster: --set runner.rate_limit_per_sec=0",
        )


def _find(plan: Plan, config_id: str | None) -> Configuration:
    if config_id is None:
        return plan.baseline
    try:
        return plan.configuration(config_id)
    except KeyError:
        every = (plan.baseline, *plan.configurations)
        known = list(dict.fromkeys(c.config_id for c in every))
        raise UsageError(
            f"the space has no configuration '{config_id}'",
            where="--config",
            hint=f"{nearest(config_id, known)} `orchestra plan` lists all.",
        ) from None
