"""`orchestra policy apply|rollback|show`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestra_core.cli.options import experiment_options, home_option, json_option, run_argument
from orchestra_core.session import Request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestra_core.applying import AppliedPolicy


@click.group("policy")
def command() -> None:
    """Put a published winner into force, undo it, show which one is."""


@command.command()
@run_argument
@experiment_options
@json_option
def apply(run_id: str, request: Request, as_json: bool) -> None:
    """Put a run's published winner into force, and read it back.

    By the policies of the experiment as it is now, such as plugins.fiqa.policy. One that is in force
    already is not written again. If any cannot be verified, all are rolled back.
    """
    from orchestra_core.applying import apply_published
    from orchestra_core.cli.options import find_run
    from orchestra_core.session import open_session

    session = open_session(request)
    _, found = find_run(run_id, session.home.root)
    _tell(apply_published(session, found), as_json=as_json)


@command.command()
@run_argument
@experiment_options
@json_option
def rollback(run_id: str, request: Request, as_json: bool) -> None:
    """Put back what was there before a run's policy, and read it back.

    Also what a failed run could not undo by itself, because its target was gone. Refused while a later
    run's policy is in force, and where somebody else has put another policy there since.
    """
    from orchestra_core.applying import roll_back_published
    from orchestra_core.cli.options import find_run
    from orchestra_core.session import open_session

    session = open_session(request)
    _, found = find_run(run_id, session.home.root)
    _tell(roll_back_published(session, found), as_json=as_json)


@command.command()
@home_option
@json_option
def show(home: Path | None, as_json: bool) -> None:
    """List the policies that runs of this home folder have applied, oldest first; nothing is asked.

    "not undone" and "interrupted" may be in force or not: `orchestra policy rollback` settles it.
    """
    from orchestra_core.applying import applied_policies
    from orchestra_core.session import open_home

    _tell(applied_policies(open_home(Request(home=home))), as_json=as_json)


def _tell(rows: Sequence[AppliedPolicy], *, as_json: bool) -> None:
    from orchestra_core.cli.output import print_json, print_table

    if as_json:
        print_json([{k: v for k, v in asdict(row).items() if k != "undo"} for row in rows])
        return
    if not rows:
        click.echo("No run has applied a policy here yet.")
        return
    cells = [(r.at, r.plugin, r.run_id, r.config_id, r.standing, r.summary) for r in rows]
    print_table(["since", "plugin", "run", "configuration", "standing", "what"], cells)
