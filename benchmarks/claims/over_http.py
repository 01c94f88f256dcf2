"""The same experiment, embedded and over HTTP: how much longer, and whether it finds the same."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from benchmarks.experiments import FinishedRun, fresh_cache, run_fiqa
from benchmarks.model import Benchmark, Figure, Watch
from benchmarks.sampling import in_turns, ratio, told
from benchmarks.serving import serving
from benchmarks.workspace import fresh_folder

LONGER = 3.0
RUNS = 3


def measure(watch: Watch, quick: bool) -> list[Figure]:
    """Both ways in turns, after one embedded run that builds the indexes."""
    repetitions = 1 if quick else RUNS
    watch.expect(1 + 2 * repetitions)
    cache = fresh_cache("fiqa-mini")
    watch.step("indexes are built")
    run_fiqa(cache)
    environ = {"ORCHESTRA_CACHE_DIR": str(cache)}
    with serving(fresh_folder(), what=("fiqa", "serve"), environ=environ) as target:
        over_http = (
            "runner.backend=http",
            f"runner.base_url=http://127.0.0.1:{target.port}",
            "runner.rate_limit_per_sec=0",
        )
        arms = {"embedded": partial(run_fiqa, cache), "http": partial(run_fiqa, cache, over_http)}
        found = in_turns(arms, repetitions, watch.step)
    return [*_speed(found["embedded"], found["http"]), *_same(found["embedded"], found["http"])]


def _speed(embedded: Sequence[FinishedRun], http: Sequence[FinishedRun]) -> list[Figure]:
    seconds = [[run.process.seconds for run in runs] for runs in (embedded, http)]
    times = ratio(seconds[1], seconds[0])
    return [
        Figure(
            "over HTTP, of the embedded wall time",
            f"{times:.2f} times",
            f"≤ {LONGER:g} times",
            times <= LONGER,
        ),
        Figure("embedded", told(seconds[0], "s")),
        Figure("over HTTP", told(seconds[1], "s")),
        Figure("requests over HTTP", f"{http[0].outcome['requests']:,}"),
    ]


def _same(embedded: Sequence[FinishedRun], http: Sequence[FinishedRun]) -> list[Figure]:
    winners = sorted({run.winner for run in (*embedded, *http)})
    here, there = embedded[0].scores, http[0].scores
    both = here.keys() & there.keys()
    different = sum(here[key] != there[key] for key in both)
    return [
        Figure("distinct winners, both ways", str(len(winners)), "1", len(winners) == 1),
        Figure(
            "quality figures that differ, per configuration and query asked both ways",
            f"{different} of {len(both):,}",
            "0",
            different == 0 and bool(both),
        ),
    ]


BENCHMARK = Benchmark(
    name="over_http",
    claim="The default experiment over HTTP against `orchestra fiqa serve` takes at most 3 times as "
    "long as embedded, and finds the same winner with the same figures.",
    how="`orchestra run --plugins fiqa` in fresh folders, in turns: embedded, and with `backend: http` "
    "against one server on the same machine, rate limit off. Indexes are warm for both. Wall times "
    "are those of the client's whole process; server and client share the cores. Every quality "
    "figure of every query that both ways asked of a configuration is compared, unrounded.",
    measure=measure,
)
