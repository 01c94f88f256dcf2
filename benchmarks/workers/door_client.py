"""Ask a service through the door, as fast as it goes: prints requests per second as JSON.

`python -m benchmarks.workers.door_client CORE PORT THREADS SECONDS`. Every guard is on; rate limit,
slots, budget and deadlines are there and do not bind. Each answer is read as JSON.
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time

from orchestra_core import Experiment
from orchestra_core.outbound.opening import open_door

QUESTION = {"question": "How do I save taxes?", "top_k": 10, "collection": "fiqa_para", "alpha": 0.5}


def main(port: int, threads: int, seconds: float) -> None:
    runner = {"base_url": f"http://127.0.0.1:{port}", "rate_limit_per_sec": 100_000.0}
    headers = {"Authorization": "Bearer ${env:DOOR_TOKEN}"}
    experiment = Experiment.model_validate(
        {
            "space": {"alpha": [0.5]},
            "runner": {**runner, "headers": headers},
            "limits": {"requests": 10**8},
        }
    )
    ends = time.monotonic() + 600
    door = open_door(
        experiment,
        left_s=lambda: ends - time.monotonic(),
        environ={"DOOR_TOKEN": "secret-" * 4},
    )
    counts = [0] * threads
    stop = time.perf_counter() + seconds

    def ask(worker: int) -> None:
        while time.perf_counter() < stop:
            door.send("POST", "/api/query", content=QUESTION, repeatable=True).json()
            counts[worker] += 1

    began = time.perf_counter()
    workers = [threading.Thread(target=ask, args=(worker,)) for worker in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    print(json.dumps({"per_second": sum(counts) / (time.perf_counter() - began)}))


if __name__ == "__main__":
    os.sched_setaffinity(0, {int(sys.argv[1])})
    main(int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4]))
