"""Fields of configurations with their real nDCG@10 on all 648 queries of fiqa-mini, kept in a cache."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from numpy.typing import NDArray

from benchmarks.workspace import WORK
from orchestra_core.evaluation.metrics import Scorer
from orchestra_core.payloads import RunnerRequest
from orchestra_core.plan import Configuration
from orchestra_core.runner import ParameterValue
from orchestra_core.session import Request, cache_folder, open_session

METRIC = "ndcg@10"
Space = dict[str, list[ParameterValue]]
SPACES: dict[int, Space] = {
    44: {
        "collection": ["fiqa_para"],
        "alpha": [step / 10 for step in range(11)],
        "top_k": [10, 20],
        "mmr": ["off", 0.3],
        "ef_search": [64],
    },
    180: {
        "collection": ["fiqa_para", "fiqa_sent", "fiqa_win256_o64"],
        "alpha": [0.0, 0.3, 0.5, 0.7, 1.0],
        "top_k": [10, 20, 30],
        "mmr": ["off", 0.3],
        "ef_search": [32, 64],
    },
}
"""The second is the default space as a plain product, without leaving out what has no effect."""


@dataclass(frozen=True)
class Field:
    """`scores`: float64 (n_configurations, n_queries); `parameters`: one mapping per row."""

    scores: NDArray[np.float64]
    parameters: tuple[dict[str, ParameterValue], ...]

    @property
    def truth(self) -> NDArray[np.float64]:
        """The mean over all queries, float64 (n_configurations,)."""
        means: NDArray[np.float64] = self.scores.mean(axis=1)
        return means


def field(size: int) -> Field:
    """The space of 44 or 180 configurations; computed once."""
    space = SPACES[size]
    points = tuple(dict(zip(space, values, strict=True)) for values in product(*space.values()))
    path = WORK / f"race-{size}.npy"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        np.save(path, _measured(space, points))
    return Field(np.load(path), points)


def _measured(space: Space, points: tuple[dict[str, ParameterValue], ...]) -> NDArray[np.float64]:
    with TemporaryDirectory() as home:
        session = open_session(
            Request(
                home=Path(home),
                plugins=("fiqa",),
                environ={},
                assignments=(f"space={json.dumps(space)}",),
            )
        )
        dataset = session.open_dataset()
        plan = session.make_plan(dataset)
        request = RunnerRequest(
            experiment=plan.experiment,
            dataset=dataset,
            configurations=(plan.baseline, *plan.configurations),
            cache_dir=cache_folder(session.runner_plugin),
            emit=lambda _event_type, _payload: None,
        )
        runner = session.calls.runner(session.runner_plugin, request)
        queries = dataset.judged_queries()
        rankings: dict[str, dict[str, tuple[str, ...]]] = {}
        for seen in runner.evaluate(plan.configurations, queries):
            rankings.setdefault(seen.config_id, {})[seen.query_id] = seen.ranking
    scorer, ids = Scorer((METRIC,), dataset.qrels), tuple(q.query_id for q in queries)
    found = {c: scorer.score(ids, of_queries)[METRIC] for c, of_queries in rankings.items()}
    return np.stack([found[_named(plan.configurations, point)] for point in points])


def _named(configurations: tuple[Configuration, ...], point: dict[str, ParameterValue]) -> str:
    """The configuration that a point is, once parameters without effect are left out."""
    return next(
        c.config_id for c in configurations if all(point[n] == v for n, v in c.parameters.items())
    )
