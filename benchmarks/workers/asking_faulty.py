"""Ask a service many questions through the http backend, in units over threads as a run does.

`python -m benchmarks.workers.asking_faulty PORT QUESTIONS RATE`; prints what became of each, as JSON.
"""

from __future__ import annotations

import json
import sys
import time
from collections import Counter
from pathlib import Path

from orchestra_fiqa_runner.backends import open_backend

from orchestra_core import Configuration, Experiment, Query, RunnerRequest
from orchestra_core.builtin.threads import ThreadExecutor
from orchestra_core.datasets import Dataset
from orchestra_core.observation import Unit, UnitResult
from orchestra_core.scheduling.units import checked, cut

ONE = Configuration(config_id="one", parameters={"top_k": 10})
THREADS = 16


def _dataset(questions: int) -> Dataset:
    """The document that the service puts first, for each question."""
    names = [f"q{number}" for number in range(questions)]
    corpus = {f"{name}-0": name for name in names}
    qrels = {name: {f"{name}-0": 1} for name in names}
    return Dataset("faulty", corpus, {name: name for name in names}, qrels)


def main(port: int, questions: int, rate: float) -> None:
    runner = {
        "backend": "http",
        "base_url": f"http://127.0.0.1:{port}",
        "rate_limit_per_sec": rate,
        "timeout_s": 1.0,
        "backoff_s": 0.1,
    }
    experiment = Experiment.model_validate({"space": {"top_k": [10]}, "runner": runner})
    events: Counter[str] = Counter()
    opened = open_backend(
        RunnerRequest(
            experiment=experiment,
            dataset=_dataset(questions),
            configurations=[ONE],
            cache_dir=Path(),
            emit=lambda kind, _payload: events.update([kind]),
        )
    )
    asked = {f"q{number}": Query(f"q{number}", f"q{number}") for number in range(questions)}

    def evaluate(unit: Unit) -> UnitResult:
        queries = [asked[query_id] for query_id in unit.query_ids]
        return UnitResult(unit, checked(unit, opened.evaluate([ONE], queries)), 0.0)

    units = cut("grid", 0, ["one"], list(asked), shares_work=False, concurrency=THREADS)
    executor = ThreadExecutor(THREADS, 600.0)
    began = time.perf_counter()
    seen = [o for result in executor.run(units, evaluate) for o in result.observations]
    seconds = time.perf_counter() - began
    executor.close()
    opened.close()
    wrong = [o.query_id for o in seen if o.failure is None and o.ranking[:1] != (f"{o.query_id}-0",)]
    found = {
        "observations": len(seen),
        "different": len({o.query_id for o in seen}),
        "results": sum(o.failure is None for o in seen),
        "failures": dict(Counter(o.failure.reason for o in seen if o.failure).most_common()),
        "unnamed": sum(o.failure is not None and not o.failure.message for o in seen),
        "wrong": len(wrong),
        "attempts": sum(o.attempts for o in seen),
        "events": dict(events),
        "seconds": seconds,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
