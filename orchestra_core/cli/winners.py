"""`orchestra winners verify|show`."""

from __future__ import annotations

from pathlib import Path

import click

from orchestra_core.cli.options import home_option, json_option


@click.group("winners")
def command() -> None:
    """Show and check the history of published winners."""


@command.command("show")
@home_option
@json_option
def show(home: Path | None, as_json: bool) -> None:
    """List every published winner, oldest first."""
    from orchestra_core.cli.output import figure, print_json, print_table
    from orchestra_core.history import read_history
    from orchestra_core.session import Request, open_home

    records = read_history(open_home(Request(home=home)))
    if as_json:
        print_json(records)
        return
    if not records:
        click.echo("No winner has been published here yet.")
        return
    rows = []
    for record in records:
        first = (record.get("ab_diff") or [{}])[0]
        gain = f"{first['metric']} {figure(first['delta'], '')}" if first else ""
        rows.append((record.get("timestamp"), record["run_id"], record["winner"]["config_id"], gain))
    print_table(["published", "run", "winner", "difference"], rows)


@command.command("verify")
@home_option
@json_option
def verify(home: Path | None, as_json: bool) -> None:
    """Check the chain: every record's hash covers the record and the hash before it.

    Exit code: 0 the chain is whole, 1 a record was altered, added or removed.
    """
    from orchestra_core.cli.output import print_json
    from orchestra_core.history import broken_records, read_history
    from orchestra_core.session import Request, open_home

    records = read_history(open_home(Request(home=home)))
    broken = broken_records(records)
    if as_json:
        print_json({"records": len(records), "whole": not broken, "broken": broken})
    elif broken:
        click.echo(f"The chain of {len(records)} records is broken at: {', '.join(broken)}", err=True)
    else:
        click.echo(f"{len(records)} records, the chain is whole.")
    click.get_current_context().exit(1 if broken else 0)
