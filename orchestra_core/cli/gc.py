"""`orchestra gc`."""

from __future__ import annotations

from pathlib import Path

import click

from orchestra_core.cli.options import home_option, json_option


@click.command("gc")
@home_option
@json_option
@click.option(
    "--keep", type=click.IntRange(min=0), default=20, show_default=True, help="Newest runs to keep."
)
@click.option("--dry-run", is_flag=True, help="Only say what would go.")
def command(home: Path | None, as_json: bool, keep: int, dry_run: bool) -> None:
    """Remove old runs and what was left over.

    A run goes with its journal, units, jobs and artifacts. What is running stays, and so do the run
    whose winner was published last and the history of winners. Left over are files of runs without a
    journal, and temporary files of processes that were killed. What no run can have left stays too.
    """
    from orchestra_core.cli.output import print_json
    from orchestra_core.housekeeping import plan_sweep, sweep
    from orchestra_core.session import Request, open_home
    from orchestra_core.telling.units import counted

    folder = open_home(Request(home=home))
    planned = plan_sweep(folder, keep)
    gone = planned if dry_run else sweep(folder, planned)
    left = [folder.relative(path) for path in gone.leftovers]
    if as_json:
        print_json({"dry_run": dry_run, "runs": gone.runs, "leftovers": left, "bytes": gone.size})
        return
    for name in (*gone.runs, *left):
        click.echo(f"  {name}")
    verb = "would go" if dry_run else "went"
    told = f"{counted(len(gone.runs), 'run')} and {counted(len(left), 'leftover')} {verb}"
    click.echo(f"{told}, {gone.size / 1e6:.1f} MB" if gone.runs or left else "Nothing to remove.")
    for run_id in set(planned.runs) - set(gone.runs):
        click.echo(f"  {run_id} was taken up meanwhile, and stays")
