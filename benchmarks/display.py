"""What is seen while measuring, and the table at the end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table

from benchmarks.model import Benchmark, Result


@dataclass
class BarWatch:
    """A `Watch` that moves one bar."""

    progress: Progress
    task: TaskID
    name: str
    begun: bool = False

    def expect(self, steps: int) -> None:
        """Set the bar's length."""
        self.progress.start_task(self.task)
        self.progress.update(self.task, total=steps)

    def step(self, label: str) -> None:
        """Move on by the step that is over, and name the one that begins."""
        self.progress.update(self.task, advance=1 if self.begun else 0, doing=label)
        self.begun = True

    def finish(self) -> None:
        """Fill the bar and stop its clock."""
        total = self.progress.tasks[self.task].total or 1
        self.progress.update(self.task, total=total, completed=total, doing="done")
        self.progress.stop_task(self.task)


@contextmanager
def measuring(console: Console, benchmarks: Sequence[Benchmark]) -> Iterator[list[BarWatch]]:
    """A bar per benchmark. It is redrawn only twice a second, so as not to disturb what it shows."""
    columns = (
        TextColumn("{task.fields[name]:<12}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[doing]}"),
    )
    with Progress(*columns, console=console, refresh_per_second=2) as progress:
        yield [
            BarWatch(
                progress,
                progress.add_task(b.name, start=False, total=None, name=b.name, doing="waiting"),
                b.name,
            )
            for b in benchmarks
        ]


def show(console: Console, results: Sequence[Result]) -> None:
    """Every figure, and what stopped a benchmark if anything did."""
    table = Table("benchmark", "what", "measured", "reach", "reached")
    marks = {True: "[green]yes[/]", False: "[red]no[/]", None: ""}
    for result in results:
        for figure in result.figures:
            mark = marks[figure.reached]
            table.add_row(result.name, figure.what, figure.measured, figure.reach, mark)
        table.add_section()
    console.print(table)
    for result in results:
        if result.error:
            console.print(f"[red]{result.name}[/] could not be measured: ", end="")
            console.print(result.error, markup=False)
