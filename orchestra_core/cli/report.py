"""`orchestra report RUN`."""

from __future__ import annotations

from pathlib import Path

import click

from orchestra_core.cli.options import find_run, home_option, json_option, run_argument


@click.command("report")
@run_argument
@home_option
@json_option
@click.option("--plugins", multiple=True, metavar="NAMES", help="As for `orchestra run`.")
def command(run_id: str, home: Path | None, as_json: bool, plugins: tuple[str, ...]) -> None:
    """Render a run's artifacts again from its journal.

    The reporters installed now do it, with the settings of the run.
    """
    from orchestra_core.cli.output import print_json
    from orchestra_core.journal.lock import is_locked
    from orchestra_core.rerender import render_again

    folder, full_id = find_run(run_id, home)
    report, written = render_again(folder, full_id, plugins)
    if as_json:
        print_json({"run_id": full_id, "status": report.status, "artifacts": written})
        return
    killed = report.status == "running" and not is_locked(folder.lock(full_id))
    status = "killed" if killed else report.status
    click.echo(f"{full_id}: {status}, {len(written)} artifacts written")
    for path in written:
        click.echo(f"  {path}")
