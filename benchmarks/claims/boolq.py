"""A larger corpus: BoolQ's passages, a thousand questions, twelve configurations."""

from __future__ import annotations

from benchmarks.experiments import FinishedRun, fresh_cache, run_fiqa
from benchmarks.model import Benchmark, Figure, Watch
from benchmarks.sampling import told

PEAK_MB = 1500.0
TUNING, CONFIRMATION = 600, 400
SPACE = (
    '{"collection": ["boolq_para", "boolq_sent"], "alpha": [0.3, 0.5, 0.7], "mmr": ["off", 0.3], '
    '"top_k": [10], "ef_search": [64]}'
)
ASSIGNMENTS = (
    "dataset=boolq",
    f"space={SPACE}",
    f"stages.grid.sample={TUNING}",
    "stages.grid.budget=1.0",
    f"stages.ab.sample={CONFIRMATION}",
    # The A/B may grow to all confirmation queries: this share of 15,942 keeps it to its sample.
    "stages.confirmation=0.025",
)


def measure(watch: Watch, quick: bool) -> list[Figure]:
    """One run without indexes, then warm ones in the same cache."""
    warm_runs = 1 if quick else 3
    watch.expect(1 + warm_runs)
    cache = fresh_cache("boolq")
    watch.step("cold: indexes are built")
    cold = run_fiqa(cache, ASSIGNMENTS)
    warm = []
    for number in range(warm_runs):
        watch.step(f"warm, {number + 1} of {warm_runs}")
        warm.append(run_fiqa(cache, ASSIGNMENTS))
    return _figures(cold, warm)


def _figures(cold: FinishedRun, warm: list[FinishedRun]) -> list[Figure]:
    runs = [cold, *warm]
    completed = all(run.outcome["status"] == "completed" for run in runs)
    verdicts = ", ".join(sorted({run.verdict for run in runs}))
    peak = max(run.process.peak_mb for run in runs)
    return [
        Figure("all runs completed", f"{len(runs)} runs: {verdicts}", "completed", completed),
        Figure("largest peak memory", f"{peak:.0f} MB", f"< {PEAK_MB:g} MB", peak < PEAK_MB),
        Figure("peak memory of a warm run", told([run.process.peak_mb for run in warm], "MB", 0)),
        Figure("cold run, indexes built first", f"{cold.process.seconds:.1f} s"),
        Figure("warm runs", told([run.process.seconds for run in warm], "s")),
        Figure("size", _size(cold)),
    ]


def _size(run: FinishedRun) -> str:
    stages = {stage["name"]: stage for stage in run.plan["stages"]}
    asked = {query for stage in stages.values() for rung in stage["rungs"] for query in rung}
    spent, full = run.outcome["evaluations"], run.outcome["evaluations_full"]
    return (
        f"{run.configurations} configurations, {len(asked):,} queries planned, "
        f"{spent:,} of {full:,} grid evaluations"
    )


BENCHMARK = Benchmark(
    name="boolq",
    claim="A run over BoolQ's 12,271 passages with 1,000 queries and 12 configurations completes in "
    "less than 1.5 GB of memory.",
    how="`orchestra run` on `dataset=boolq`: two chunkings, three fusion weights, MMR on and off; "
    f"{TUNING} queries for the grid with its budget at 1.0, {CONFIRMATION} for the A/B. First "
    "with a cache that holds the dataset alone (cold), then in fresh folders with the same "
    "cache (warm).",
    measure=measure,
)
