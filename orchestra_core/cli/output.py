"""How commands speak: tables for people, JSON for machines."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.table import Table


def print_json(content: Any) -> None:
    """Indented JSON on stdout."""
    click.echo(json.dumps(content, indent=2, ensure_ascii=False))


def silence_stdout() -> None:
    """Let whatever is still to be printed go nowhere, after the reader of a pipe has left."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def reader_may_leave() -> Iterator[None]:
    """Print inside it: a reader of a pipe that has seen enough does not change the exit code."""
    try:
        yield
    except BrokenPipeError:
        silence_stdout()


class _Console(Console):
    """Where its reader has left it says so as everything else does; rich would end with exit code 1."""

    def on_broken_pipe(self) -> None:
        self.quiet = True
        raise BrokenPipeError


def console(*, stderr: bool = False) -> Console:
    """A console that keeps long words whole when it is not a terminal."""
    made = _Console(stderr=stderr, highlight=False, markup=False)
    if not made.is_terminal:
        made.width = 200
    return made


def print_table(headers: Sequence[str], rows: Iterable[Sequence[object]], *, title: str = "") -> None:
    """A table on stdout; columns whose header ends in '>' are aligned right."""
    table = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False)
    for header in headers:
        right = header.endswith(">")
        table.add_column(header.rstrip(">"), justify="right" if right else "left", overflow="fold")
    for row in rows:
        table.add_row(*("" if cell is None else str(cell) for cell in row))
    console().print(table)


def figure(value: float | None, unit: str = "") -> str:
    """A number for people: four decimals for shares, three significant digits for ms and USD."""
    if value is None:
        return "–"
    if unit == "ms":
        return f"{value:.3g} ms" if abs(value) < 100 else f"{value:.0f} ms"
    if unit == "USD":
        return f"${value:.3g}"
    return f"{value:.4f}"
