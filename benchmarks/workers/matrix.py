"""Per-query results of the default experiment: each configuration × each query of fiqa-mini."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.workspace import WORK, fresh_folder
from orchestra_core.evaluation.metrics import Scorer
from orchestra_core.observation import Observation
from orchestra_core.payloads import RunnerRequest
from orchestra_core.session import Request, cache_folder, open_session

METRICS = ("recall@10", "ndcg@10")
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Matrix:
    """Metric → float64 (n_configurations, n_queries), rows as in `config_ids`."""

    config_ids: list[str]
    scores: dict[str, Floats]


def load_matrix() -> Matrix:
    """Computed once, then kept among the benchmarks' own files until they are removed."""
    file = WORK / "matrix.npz"
    if not file.exists():
        _write(file)
    with np.load(file) as content:
        return Matrix(content["config_ids"].tolist(), {name: content[name] for name in METRICS})


def _write(file: Path) -> None:
    session = open_session(Request(home=fresh_folder(), plugins=("fiqa",), environ={}))
    dataset = session.open_dataset()
    plan = session.make_plan(dataset)
    configurations = tuple({c.config_id: c for c in (plan.baseline, *plan.configurations)}.values())
    cache, plugin = cache_folder(session.runner_plugin), session.runner_plugin
    request = RunnerRequest(
        plan.experiment, dataset, configurations, cache, lambda _type, _content: None
    )
    runner = session.calls.runner(plugin, request)
    queries = dataset.judged_queries()
    found: dict[str, list[Observation]] = {c.config_id: [] for c in configurations}
    for observation in runner.evaluate(configurations, queries):
        found[observation.config_id].append(observation)
    runner.close()
    scorer, asked = Scorer(METRICS, dataset.qrels), tuple(query.query_id for query in queries)
    scores = [scorer.score(asked, {o.query_id: o.ranking for o in seen}) for seen in found.values()]
    columns = {name: np.stack([values[name] for values in scores]) for name in METRICS}
    np.savez(file, config_ids=np.array(list(found)), **columns)  # type: ignore[arg-type]
