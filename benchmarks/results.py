"""The files: `results.json` holds the latest figures, `RESULTS.md` is made from it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.claims import BENCHMARKS
from benchmarks.model import Figure, Result

FOLDER = Path(__file__).resolve().parent
RESULTS = FOLDER / "RESULTS.md"
LATEST = FOLDER / "results.json"
INTRODUCTION = """\
# Measured

`make bench` measures every claim below and writes this page. Each section says what was claimed, how it
was measured, and whether the figure reaches what was set beforehand. Lines without a reach are there to
explain the others. Times are medians, with the range of all repetitions in brackets; ratios are taken
within one run, in turns with the peer. They are figures of one machine, described below each table.
"""


def keep(results: Sequence[Result]) -> None:
    """Put these results in the place of earlier ones of the same name, and write both files."""
    latest = {**_read(), **{result.name: result for result in results}}
    ordered = {name: latest[name] for name in BENCHMARKS if name in latest}
    content = {name: asdict(result) for name, result in ordered.items()}
    LATEST.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    RESULTS.write_text(page(ordered), encoding="utf-8")


def page(results: Mapping[str, Result]) -> str:
    """RESULTS.md as text."""
    return "\n".join([INTRODUCTION, *_summary(results), *map(_section, results.values())])


def answer(reached: bool | None) -> str:
    """How a reach is told in a table."""
    return {True: "yes", False: "**no**", None: ""}[reached]


def _summary(results: Mapping[str, Result]) -> list[str]:
    rows = [
        f"| [{name}](#{name}) | {figure.what} | {figure.reach} | {figure.measured} | "
        f"{answer(figure.reached)} |"
        for name, result in results.items()
        for figure in result.figures
        if figure.reached is not None
    ]
    head = ["| | what | reach | measured | reached |", "|---|---|---|---|---|"]
    return [*head, *rows, ""]


def _section(result: Result) -> str:
    rows = [
        f"| {figure.what} | {figure.measured} | {figure.reach} | {answer(figure.reached)} |"
        for figure in result.figures
    ]
    table = ["| what | measured | reach | reached |", "|---|---|---|---|", *rows]
    outcome = [f"**It could not be measured:** {result.error}"] if result.error else table
    machine = " · ".join(f"{label} {value}" for label, value in result.machine.items())
    return "\n".join(
        [f"## {result.name}", "", result.claim, "", result.how, "", *outcome, "", machine, ""]
    )


def _read() -> dict[str, Result]:
    if not LATEST.exists():
        return {}
    content = json.loads(LATEST.read_text(encoding="utf-8"))
    return {
        name: Result(**{**entry, "figures": tuple(Figure(**figure) for figure in entry["figures"])})
        for name, entry in content.items()
    }
