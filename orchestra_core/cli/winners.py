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
    from orchestra_core.artifacts import storage_damage
    from orchestra_core.cli.output import figure, print_json, print_table
    from orchestra_core.history import read_history
    from orchestra_core.session import Request, open_home

    folder = open_home(Request(home=home))
    records = read_history(folder)
    if as_json:
        print_json(records)
        return
    if not records:
        click.echo("No winner has been published here yet.")
        return
    rows = []
    for record in records:
        with storage_damage(folder.winners):
            first = (record.get("ab_diff") or [{}])[0]
            gain = f"{first['metric']} {figure(first['delta'], '')}" if first else ""
            winner = record["winner"]["config_id"]
        rows.append((record.get("timestamp"), record["run_id"], winner, gain))
    print_table(["published", "run", "winner", "difference"], rows)


@command.command("verify")
@home_option
@json_option
def verify(home: Path | None, as_json: bool) -> None:
    """Check the chain: every record's hash covers the record and the hash before it.

    Its end is checked by the journals that are here: whoever published must have a record, and nobody
    else. Of a run that `orchestra gc` removed, only the hash is left to check.

    Exit code: 0 the chain is whole, 1 a record was altered, added or removed.
    """
    from dataclasses import asdict

    from orchestra_core.cli.output import print_json
    from orchestra_core.session import Request, open_home
    from orchestra_core.telling.units import counted
    from orchestra_core.verification.winners import check_winners

    found = check_winners(open_home(Request(home=home)))
    told = counted(found.records, "record")
    if as_json:
        print_json({**asdict(found), "whole": found.is_whole})
    elif found.is_whole:
        click.echo(f"{told}, the chain is whole.")
    for what, runs in (
        ("is broken at", found.broken),
        ("lacks what was published by", found.removed),
        ("has what was not published by", found.added),
    ):
        if runs and not as_json:
            click.echo(f"The chain of {told} {what}: {', '.join(runs)}", err=True)
    click.get_current_context().exit(0 if found.is_whole else 1)
