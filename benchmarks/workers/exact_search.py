"""Exact search in PostgreSQL and over the embedded engine's own vectors.

Called as `python -m benchmarks.workers.exact_search QUERIES`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.processes import ORCHESTRA, run
from benchmarks.workspace import fresh_folder
from orchestra_core.datasets import Dataset
from orchestra_core.observation import Query
from orchestra_core.payloads import RunnerRequest
from orchestra_core.plan import Configuration
from orchestra_core.session import Request, cache_folder, open_session

DEPTH = 10
SPACE = {
    "collection": ["fiqa_para", "fiqa_sent", "fiqa_win256_o64"],
    "alpha": [1.0],
    "top_k": [DEPTH],
    "mmr": ["off"],
    "ef_search": [64],
}
EMBEDDED = ("runner.backend=embedded",)
POSTGRESQL = (
    "runner.backend=pgvector",
    "plugins.fiqa.pgvector.demo=true",
    "plugins.fiqa.pgvector.exact=true",
)
Rankings = dict[str, tuple[str, ...]]


def main(count: int) -> list[dict[str, Any]]:
    """One line a collection. Raises RuntimeError when the server cannot be filled."""
    home = fresh_folder()
    loading = [ORCHESTRA, "fiqa", "load", "--demo", "--plugins", "fiqa", "--home", str(home)]
    filled = run(loading, folder=home)
    if filled.code != 0:
        raise RuntimeError(filled.stderr.strip())
    here, dataset, configurations = _opened(home, EMBEDDED)
    there, _, _ = _opened(home, POSTGRESQL)
    queries = dataset.judged_queries()[:count]
    try:
        return [_compared(here, there, dataset, one, queries) for one in configurations]
    finally:
        there.close()
        here.close()


def _opened(home: Path, assignments: Sequence[str]) -> tuple[Any, Dataset, tuple[Configuration, ...]]:
    request = Request(
        home=home,
        plugins=("fiqa",),
        environ={},
        assignments=(f"space={json.dumps(SPACE)}", *assignments),
    )
    session = open_session(request)
    dataset = session.open_dataset()
    plan = session.make_plan(dataset)
    asked = RunnerRequest(
        experiment=plan.experiment,
        dataset=dataset,
        configurations=plan.configurations,
        cache_dir=cache_folder(session.runner_plugin),
        emit=lambda _event_type, _payload: None,
    )
    return session.calls.runner(session.runner_plugin, asked), dataset, plan.configurations


def _compared(
    here: Any, there: Any, dataset: Dataset, one: Configuration, queries: Sequence[Query]
) -> dict[str, Any]:
    seen = {o.query_id: o.ranking for o in there.evaluate([one], queries)}
    exact = dict(_exact(here, one, queries))
    return {
        "collection": one.parameters["collection"],
        "queries": len(queries),
        "embedded": _recall(exact, dataset),
        "pgvector": _recall(seen, dataset),
        "different": sum(exact[query_id] != seen[query_id] for query_id in exact),
    }


def _exact(
    runner: Any, one: Configuration, queries: Sequence[Query]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    indexes = runner._indexes  # noqa: SLF001 - its graph is what is left out here
    vectors = indexes.dense(one.parameters["collection"], one.parameters["ef_search"]).vectors
    everything = np.arange(len(indexes.corpus.ids))
    found = indexes.encoder().embed([query.text for query in queries])
    for query, vector in zip(queries, found, strict=True):
        order = np.argsort(-vectors.cosines(vector, everything), kind="stable")[:DEPTH]
        yield query.query_id, tuple(indexes.corpus.ids[document] for document in order)


def _recall(rankings: Rankings, dataset: Dataset) -> float:
    """Mean recall, by hand: relevant documents found, of those judged relevant."""
    shares = []
    for query_id, ranking in rankings.items():
        relevant = {d for d, grade in dataset.qrels[query_id].items() if grade > 0}
        shares.append(len(relevant & set(ranking)) / len(relevant))
    return sum(shares) / len(shares)


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]))))
