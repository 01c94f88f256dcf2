"""`orchestra list`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from orchestra_core.cli.options import home_option, json_option

if TYPE_CHECKING:
    from orchestra_core.artifacts import Home


@click.command("list")
@home_option
@json_option
def command(home: Path | None, as_json: bool) -> None:
    """List the runs of this home folder, oldest first."""
    from orchestra_core.cli.output import print_json, print_table
    from orchestra_core.journal.memory import entries
    from orchestra_core.session import Request, open_home

    folder = open_home(Request(home=home))
    found = [{**entry, "process_gone": _is_gone(folder, entry)} for entry in entries(folder)]
    if as_json:
        print_json(found)
        return
    if not found:
        click.echo("No runs here yet; start one with `orchestra run`.")
        return
    rows = [
        (e["run_id"], e["started_at"], _status(e), e["verdict"], e["winner"], _mark(e["published"]))
        for e in found
    ]
    print_table(["run", "started", "status", "verdict", "winner", "published"], rows)


def _is_gone(home: Home, entry: Mapping[str, Any]) -> bool:
    """Whether the run has no ending, and nobody carries it any more."""
    from orchestra_core.journal.memory import load_state
    from orchestra_core.liveness import process_is_gone

    return entry["status"] == "running" and process_is_gone(home, load_state(home, entry["run_id"]))


def _status(entry: Mapping[str, Any]) -> str:
    status = "killed" if entry["process_gone"] else str(entry["status"])
    return f"{status}, journal damaged" if entry["lost_events"] else status


def _mark(published: bool) -> str:
    return "yes" if published else ""
