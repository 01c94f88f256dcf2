"""`orchestra memory rebuild`."""

from __future__ import annotations

from pathlib import Path

import click

from orchestra_core.cli.options import home_option


@click.group("memory")
def command() -> None:
    """Maintain the index over runs."""


@command.command()
@home_option
def rebuild(home: Path | None) -> None:
    """Make the index under reports/memory anew from the journals."""
    from orchestra_core.journal.memory import rebuild as make_anew
    from orchestra_core.session import Request, open_home

    count = make_anew(open_home(Request(home=home)))
    click.echo(f"Index rebuilt from {count} {'journal' if count == 1 else 'journals'}.")
