"""The run that needs no file: how long, how large, and whether it finds the same winner again."""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.experiments import FinishedRun, fresh_cache, run_fiqa
from benchmarks.model import Benchmark, Figure, Watch
from benchmarks.sampling import told

WALL_S = 25.0
CONFIGURATIONS = 120
PEAK_MB = 600.0
BASELINE_ALPHA = 0.0


def measure(watch: Watch, quick: bool) -> list[Figure]:
    """One run without indexes, then warm ones in the same cache."""
    warm_runs = 2 if quick else 5
    watch.expect(1 + warm_runs)
    cache = fresh_cache("fiqa-mini")
    watch.step("cold: indexes are built")
    cold = run_fiqa(cache)
    warm = []
    for number in range(warm_runs):
        watch.step(f"warm, {number + 1} of {warm_runs}")
        warm.append(run_fiqa(cache))
    return [*_speed(cold, warm), *_outcome([cold, *warm])]


def _speed(cold: FinishedRun, warm: Sequence[FinishedRun]) -> list[Figure]:
    seconds = [run.process.seconds for run in warm]
    peak = max(run.process.peak_mb for run in (cold, *warm))
    return [
        Figure("slowest warm run", f"{max(seconds):.1f} s", f"≤ {WALL_S:g} s", max(seconds) <= WALL_S),
        Figure("warm runs", told(seconds, "s")),
        Figure("processor time of a warm run", told([run.process.cpu_seconds for run in warm], "s")),
        Figure("cold run, indexes built first", f"{cold.process.seconds:.1f} s"),
        Figure("largest peak memory", f"{peak:.0f} MB", f"< {PEAK_MB:g} MB", peak < PEAK_MB),
    ]


def _outcome(runs: Sequence[FinishedRun]) -> list[Figure]:
    configurations = min(run.configurations for run in runs)
    verdicts = sorted({run.verdict for run in runs})
    winners = sorted({run.winner for run in runs})
    hybrid = verdicts == ["win"] and all(0 < run.alpha < 1 for run in runs)
    lexical = all(run.plan["baseline"]["parameters"]["alpha"] == BASELINE_ALPHA for run in runs)
    enough = configurations >= CONFIGURATIONS
    return [
        Figure("configurations", str(configurations), f"≥ {CONFIGURATIONS}", enough),
        Figure(
            f"verdict over the BM25 baseline, {len(runs)} runs",
            f"{', '.join(verdicts)}; {_listed(winners)}",
            "win, 0 < alpha < 1",
            hybrid and lexical,
        ),
        Figure("distinct winners", str(len(winners)), "1", len(winners) == 1),
        Figure("grid evaluations", _evaluations(runs)),
    ]


def _evaluations(runs: Sequence[FinishedRun]) -> str:
    spent = sorted({run.outcome["evaluations"] for run in runs})
    full = runs[0].outcome["evaluations_full"]
    return f"{' or '.join(f'{count:,}' for count in spent)} of {full:,}"


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"`{name}`" for name in names if name) or "no winner"


BENCHMARK = Benchmark(
    name="default_run",
    claim="`orchestra run --plugins fiqa` races at least 120 configurations on FiQA within 25 seconds "
    "on two cores, finds a hybrid that beats BM25, and finds the same one again.",
    how="The command is run in an empty folder with a cache that holds the dataset alone (cold), "
    "then several times more in fresh folders with the same cache (warm). Wall time is that of "
    "the whole process, from start to exit; peak memory (MB of a million bytes) is what the "
    "kernel reports.",
    measure=measure,
)
