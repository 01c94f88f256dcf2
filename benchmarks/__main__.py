"""The command: measure, show a table, write `RESULTS.md`."""

from __future__ import annotations

import click
from rich.console import Console

from benchmarks.claims import BENCHMARKS, USUAL
from benchmarks.display import measuring, show
from benchmarks.machine import describe_machine
from benchmarks.model import Benchmark, Result, Watch
from benchmarks.results import RESULTS, keep
from benchmarks.workspace import workspace


@click.command()
@click.argument("names", nargs=-1, type=click.Choice(list(BENCHMARKS)))
@click.option("--quick", is_flag=True, help="Fewer repetitions; RESULTS.md stays as it is.")
def main(names: tuple[str, ...], quick: bool) -> None:
    """Measure all claims, or those named, and write benchmarks/RESULTS.md.

    Sections of RESULTS.md that were not measured now stay as they were.
    """
    console = Console()
    chosen = [BENCHMARKS[name] for name in dict.fromkeys(names or USUAL) if _there(console, name)]
    results = []
    with workspace(), measuring(console, chosen) as watches:
        for benchmark, watch in zip(chosen, watches, strict=True):
            results.append(_measure(benchmark, watch, quick=quick))
    show(console, results)
    if not quick:
        keep(results)
        console.print(f"Written: benchmarks/{RESULTS.name}")


def _there(console: Console, name: str) -> bool:
    """Whether it can be measured here; if not, that is said, and its section stays as it was."""
    missing = BENCHMARKS[name].missing()
    if missing:
        console.print(f"{name} is skipped: {missing}.", markup=False)
    return not missing


def _measure(benchmark: Benchmark, watch: Watch, *, quick: bool) -> Result:
    """One claim's figures; whatever goes wrong becomes part of the result, so that the others run."""
    machine = describe_machine()
    try:
        figures = benchmark.measure(watch, quick)
        error = ""
    except Exception as cause:
        figures, error = [], f"{type(cause).__name__}: {cause}"
    watch.finish()
    return Result(benchmark.name, benchmark.claim, benchmark.how, tuple(figures), machine, error)


if __name__ == "__main__":
    main(prog_name="python -m benchmarks")
