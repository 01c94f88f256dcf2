"""Evidence made by hand, and runs with the rules on."""

from collections.abc import Callable

import numpy as np
import pytest
from orchestra_reflection_rules.settings import Settings

from orchestra_core import Experiment, RungEvidence, RunnerDescription
from orchestra_core.builtin.planner import orchestra_plan
from orchestra_core.payloads import ConfigurationEvidence, PlanRequest
from orchestra_core.testing import make_dataset

MakeEvidence = Callable[..., RungEvidence]
DATASET = make_dataset()


def make_plan(configurations: int, objective=None, **grid: object):
    experiment = Experiment(
        objective=objective or {},
        space={"k": list(range(configurations))},
        stages={"smoke": {"sample": 5}, "grid": {"sample": 40, **grid}, "ab": {"sample": 20}},
    )
    return orchestra_plan(PlanRequest(experiment, RunnerDescription("r"), DATASET))


def build(
    rows,
    *,
    finer=None,
    failures=0,
    stage="grid",
    rung=0,
    rungs=3,
    best_so_far=(),
    spent=0,
    allowed=100_000,
    following=20,
    grid=None,
    objective=None,
    metrics=None,
    latencies=None,
    **settings,
) -> RungEvidence:
    """`rows`: scores per configuration; `failures`: of the first configuration's queries; `metrics` and
    `latencies`: per configuration too; `following`: queries of each rung to come."""
    scores = np.array(rows, dtype=np.float64)
    finer = scores if finer is None else np.array(finer, dtype=np.float64)
    plan = make_plan(len(scores), objective, **(grid or {}))
    blocks = (tuple(map(str, range(following))),) * rungs
    stages = [s.model_copy(update={"rungs": blocks}) if s.name == "grid" else s for s in plan.stages]
    plan = plan.model_copy(update={"stages": tuple(stages)})
    return RungEvidence(
        stage=stage,
        rung=rung,
        rungs=rungs,
        plan=plan,
        objective="recall@10",
        query_ids=plan.tuning[: scores.shape[1]],
        configurations=tuple(
            ConfigurationEvidence(
                config_id=configuration.config_id,
                scores=scores[i],
                finer=finer[i],
                metrics=metrics[i] if metrics else {},
                failures=failures if i == 0 else 0,
                count=scores.shape[1],
                latencies_ms=np.asarray(latencies[i], dtype=float) if latencies else None,
            )
            for i, configuration in enumerate(plan.configurations)
        ),
        best_so_far=best_so_far,
        evaluations_spent=spent,
        evaluations_allowed=allowed,
        next_rung_queries=following if rung + 1 < rungs else 0,
        settings=Settings(**settings),
    )


@pytest.fixture(scope="session")
def evidence() -> MakeEvidence:
    return build
