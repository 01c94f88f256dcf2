"""`orchestra list`."""

from __future__ import annotations

from pathlib import Path

import click

from orchestra_core.cli.options import home_option, json_option


@click.command("list")
@home_option
@json_option
def command(home: Path | None, as_json: bool) -> None:
    """List the runs of this home folder, oldest first."""
    from orchestra_core.cli.output import print_json, print_table
    from orchestra_core.journal.memory import entries
    from orchestra_core.session import Request, open_home

    found = entries(open_home(Request(home=home)))
    if as_json:
        print_json([dict(entry) for entry in found])
        return
    if not found:
        click.echo("No runs here yet; start one with `orchestra run`.")
        return
    rows = [
        (e["run_id"], e["started_at"], e["status"], e["verdict"], e["winner"], _mark(e["published"]))
        for e in found
    ]
    print_table(["run", "started", "status", "verdict", "winner", "published"], rows)


def _mark(published: bool) -> str:
    return "yes" if published else ""
