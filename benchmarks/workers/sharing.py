"""Evaluate one grid three ways: `python -m benchmarks.workers.sharing REPETITIONS PROBED_QUERIES`."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.sampling import in_turns
from benchmarks.workspace import fresh_folder
from orchestra_core.observation import Observation, Query
from orchestra_core.payloads import RunnerRequest
from orchestra_core.plan import Configuration
from orchestra_core.runner import Load, Runner
from orchestra_core.session import Request, cache_folder, open_session

SPACE = {
    "collection": ["fiqa_para"],
    "alpha": [step / 10 for step in range(11)],
    "top_k": [10, 20],
    "mmr": ["off", 0.3],
    "ef_search": [64],
}
COMPARED_SINGLY = 20
"""Queries that are also evaluated request by request, to compare rankings (`probe` returns none)."""

Rankings = dict[tuple[str, str], tuple[str, ...]]


def main(repetitions: int, probed: int) -> dict[str, Any]:
    """Seconds per way and repetition, and how many rankings differ."""
    runner, configurations, queries = open_grid(fresh_folder())
    arms = {
        "together": partial(timed, runner.evaluate, configurations, queries),
        "alone": partial(timed, partial(one_by_one, runner), configurations, queries),
        "requests": partial(requested, runner, configurations, queries, probed),
    }
    runner.probe(configurations[-1], queries[:5], Load())
    compared = queries[:COMPARED_SINGLY]
    together = rankings(runner.evaluate(configurations, queries))
    alone = rankings(one_by_one(runner, configurations, queries))
    singly = rankings(o for query in compared for o in one_by_one(runner, configurations, [query]))
    return {
        "configurations": len(configurations),
        "queries": len(queries),
        "probed": min(probed, len(queries)),
        "compared": len(singly),
        "seconds": in_turns(arms, repetitions, lambda _label: None),
        "different": {"alone": differing(together, alone), "requests": differing(together, singly)},
    }


def open_grid(home: Path) -> tuple[Runner, Sequence[Configuration], Sequence[Query]]:
    """The fiqa runner, opened as the engine opens it, with the grid and all queries."""
    session = open_session(
        Request(home=home, plugins=("fiqa",), environ={}, assignments=(f"space={json.dumps(SPACE)}",))
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
    return runner, plan.configurations, dataset.judged_queries()


def one_by_one(
    runner: Runner, configurations: Sequence[Configuration], queries: Sequence[Query]
) -> Iterable[Observation]:
    """`evaluate` for each configuration by itself."""
    for configuration in configurations:
        yield from runner.evaluate([configuration], queries)


def timed(
    evaluate: Callable[[Sequence[Configuration], Sequence[Query]], Iterable[Observation]],
    configurations: Sequence[Configuration],
    queries: Sequence[Query],
) -> float:
    """Seconds for all observations; each is made, none is kept."""
    began = time.perf_counter()
    for _ in evaluate(configurations, queries):
        pass
    return time.perf_counter() - began


def requested(
    runner: Runner, configurations: Sequence[Configuration], queries: Sequence[Query], probed: int
) -> float:
    """Seconds for every (configuration, query) as a request of its own, scaled up to all queries."""
    asked = queries[:probed]
    began = time.perf_counter()
    for configuration in configurations:
        for _ in runner.probe(configuration, asked, Load()):
            pass
    return (time.perf_counter() - began) * len(queries) / len(asked)


def rankings(observations: Iterable[Observation]) -> Rankings:
    """(config_id, query_id) → ranking."""
    return {(o.config_id, o.query_id): o.ranking for o in observations}


def differing(whole: Rankings, part: Rankings) -> int:
    """How many rankings of `part` are others than in `whole`."""
    return sum(whole.get(pair) != ranking for pair, ranking in part.items())


if __name__ == "__main__":
    print(json.dumps(main(int(sys.argv[1]), int(sys.argv[2]))))
