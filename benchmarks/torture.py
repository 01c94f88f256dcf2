"""Nothing lost: kills, many writers, a long journal. `python -m benchmarks.torture [--quick]`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from benchmarks.model import Benchmark, Figure, Watch
from benchmarks.processes import ORCHESTRA, run, run_worker
from benchmarks.workspace import fresh_folder

SEED = 20251107
RESUME_S, STATUS_S, STATUS_MB, FLAT = 2.0, 3.0, 300.0, 1.5
LARGE = "space.alpha=[0.0, 0.3, 0.4, 0.5, 0.7, 1.0]"


def measure(watch: Watch, quick: bool) -> list[Figure]:
    """Everything in turn."""
    kills, seconds, events = (5, 5, 100_000) if quick else (100, 60, 1_000_000)
    watch.expect(4)
    watch.step(f"{kills} kills of real runs")
    killed = run_worker("killing", kills, SEED, fresh_folder())
    watch.step(f"{seconds} s of appending")
    appended = run_worker("appending", seconds, fresh_folder())
    watch.step("a finished run")
    home = fresh_folder()
    finished = _finished(home)
    watch.step(f"a journal of {events:,} events")
    (template,) = (home / "reports" / "events").glob("*.jsonl")
    return [*_killed(killed), *_appended(appended), *finished, *_long(events, template)]


def _killed(found: dict[str, Any]) -> list[Figure]:
    runs, kills = found["runs"], found["kills"]
    identical = found["identical"]
    whole = f"{identical} of {runs} runs, {kills} kills"
    quarantined = found.get("quarantined", 0)
    return [
        Figure(
            "killed and resumed until done: the same as undisturbed", whole, "all", identical == runs
        ),
        _none("finished units asked again", found["repeated"], f"{found['units']:,} units"),
        _none("finished units lost", found["lost"], f"{found['units']:,} units"),
        Figure("kills before the run had begun", str(found.get("before_it_began", 0))),
        Figure("units set aside, because three kills met them", str(quarantined)),
        Figure("an undisturbed run", f"{found['seconds_undisturbed']:.1f} s"),
    ]


def _appended(found: dict[str, Any]) -> list[Figure]:
    of = f"{found['acknowledged']:,} acknowledged events, {found['kills']:,} processes killed"
    counted = found["torn"] == found["torn_counted"] > 0
    return [
        _none("8 processes × 4 threads, killed at random: events lost", found["lost"], of),
        _none("numbers given twice", found["doubled"], of),
        Figure(
            "torn lines, and those that readers counted",
            f"{found['torn']}, {found['torn_counted']}",
            "the same, some",
            counted,
        ),
    ]


def _finished(home: Path) -> list[Figure]:
    command = [ORCHESTRA, "run", "--plugins", "fiqa", "--quiet", "--set", LARGE]
    if (code := run(command, folder=home).code) != 0:
        raise RuntimeError(f"the run ended with {code}")
    (journal,) = (home / "reports" / "events").glob("*.jsonl")
    before = journal.read_bytes()
    resumed = run([ORCHESTRA, "resume", "latest", "--quiet"], folder=home)
    configurations = before.count(b'"event_type":"JOB_DONE"')
    unchanged = journal.read_bytes() == before
    quick = resumed.seconds < RESUME_S and resumed.code == 0
    told = f"{resumed.seconds:.2f} s, {configurations} jobs"
    return [
        Figure("resuming a finished run", told, f"< {RESUME_S:g} s", quick),
        Figure(
            "what that sent and wrote", "nothing" if unchanged else "something", "nothing", unchanged
        ),
    ]


def _long(events: int, template: Path) -> list[Figure]:
    home = fresh_folder()
    grown = run_worker("long_journal", events, home, template)
    status = run([ORCHESTRA, "status", grown["run_id"], "--home", str(home)], folder=home)
    if status.code != 0:
        raise RuntimeError(status.stderr.strip())
    costs = grown["us_per_event"]
    first, last = next(iter(costs.values())), list(costs.values())[-1]
    told = ", ".join(f"{cost:.0f} µs at {int(size):,}" for size, cost in costs.items())
    what = f"status of {grown['events']:,} events"
    return [
        Figure(what, f"{status.seconds:.2f} s", f"< {STATUS_S:g} s", status.seconds < STATUS_S),
        Figure(
            f"peak memory of {what}",
            f"{status.peak_mb:.0f} MB",
            f"< {STATUS_MB:g} MB",
            status.peak_mb < STATUS_MB,
        ),
        Figure(
            "appending an event, opening the journal included",
            told,
            f"≤ {FLAT:g} times the first",
            last <= FLAT * first,
        ),
    ]


def _none(what: str, count: int, of: str) -> Figure:
    return Figure(what, f"{count} of {of}", "0", count == 0)


BENCHMARK = Benchmark(
    name="torture",
    claim="A killed run loses nothing and asks nothing twice; many writers lose nothing; a journal may "
    "grow to a million events.",
    how="Real FiQA runs are killed (SIGKILL) at moments drawn evenly over the time of an undisturbed "
    "one, and resumed after each, until done; compared are all quality figures, rungs, decisions, "
    "verdict and winner. Latency is not timed in their grid, because measured times differ between "
    "any two runs and decide ties. Then eight processes of four threads append to one journal, a "
    "process being killed every few moments, often in the middle of a line, which is written in two "
    "parts for that; a thread notes an event elsewhere once the journal took "
    "it. Then `orchestra resume` of a finished run, and `orchestra status` of a run whose journal was "
    "grown, half starts and half ends of units.",
    measure=measure,
)

if __name__ == "__main__":
    from benchmarks.__main__ import main

    main(["torture", *sys.argv[1:]], prog_name="python -m benchmarks.torture")
