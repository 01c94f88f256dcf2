"""`orchestra compare RUN_A RUN_B`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestra_core.cli.options import complete_runs, find_run, home_option, json_option

if TYPE_CHECKING:
    from orchestra_core.comparing import Comparison


@click.command("compare")
@click.argument("run_a", metavar="RUN_A", shell_complete=complete_runs)
@click.argument("run_b", metavar="RUN_B", shell_complete=complete_runs)
@click.option(
    "--config",
    "config_ids",
    multiple=True,
    metavar="ID",
    help="A configuration instead of the winners; twice: one for each run.",
)
@home_option
@json_option
@click.option("--plugins", multiple=True, metavar="NAMES", help="As for `orchestra run`.")
def command(
    run_a: str,
    run_b: str,
    config_ids: tuple[str, ...],
    home: Path | None,
    as_json: bool,
    plugins: tuple[str, ...],
) -> None:
    """Compare two runs on the queries they have in common.

    RUN_A's winner is the baseline, RUN_B's the challenger. Runs on different datasets, judgements or
    indexes are refused, with what differs. Nothing is sent and nothing is written. Where only
    queries of the grid are common, nothing is claimed for a run's own leader, as it was chosen by them.

    Exit code: 0 win or no difference, 1 regression, 2 the runs do not compare, 4 inconclusive.
    """
    from functools import partial

    from orchestra_core.cli.output import print_json, reader_may_leave
    from orchestra_core.comparing import compare_runs
    from orchestra_core.exit_codes import VERDICT_CODES
    from orchestra_core.journal.memory import load_state
    from orchestra_core.plugins.calls import HookCalls
    from orchestra_core.plugins.manager import open_host
    from orchestra_core.plugins.selection import parse_selection
    from orchestra_core.session import folder_of, open_dataset

    if len(config_ids) > 2:
        raise click.UsageError("--config is given at most twice, once for each run")
    folder, first = find_run(run_a, home)
    _, second = find_run(run_b, home)
    calls = HookCalls(open_host(parse_selection(plugins)))
    chosen = (config_ids[0], config_ids[-1]) if config_ids else (None, None)
    started = load_state(folder, first).started
    opening = partial(open_dataset, calls, folder=folder_of(folder, started))
    found = compare_runs(folder, (first, second), opening, chosen)
    with reader_may_leave():
        if as_json:
            verdict = found.verdict.model_dump(mode="json")
            print_json({**asdict(found), "common": found.verdict.queries, "verdict": verdict})
        else:
            _show(found)
    click.get_current_context().exit(VERDICT_CODES[found.verdict.kind])


def _show(found: Comparison) -> None:
    from orchestra_core.cli.result import show_verdict

    click.echo(f"A {found.runs[0]}\nB {found.runs[1]}")
    asked = f"{found.asked[0]:,} and {found.asked[1]:,}"
    click.echo(f"{found.verdict.queries:,} common queries of {asked}, from the stage {found.stage}")
    show_verdict(found.verdict)
    for warning in found.verdict.warnings:
        click.echo(f"{click.style('Note:', fg='yellow')} {warning}")
