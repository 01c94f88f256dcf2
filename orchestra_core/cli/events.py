"""`orchestra events RUN [--follow]`."""

from __future__ import annotations

import json
import time
from pathlib import Path

import click

from orchestra_core.cli.options import find_run, home_option, json_option, run_argument

POLL_SECONDS = 0.2


@click.command("events")
@run_argument
@home_option
@json_option
@click.option("-F", "--follow", is_flag=True, help="Go on until the run has ended.")
def command(run_id: str, home: Path | None, as_json: bool, follow: bool) -> None:
    """Print or follow a run's journal.

    One event a line; --json prints the payloads too.
    """
    from orchestra_core.journal.memory import open_journal
    from orchestra_core.journal.state import RunState
    from orchestra_core.journal.words import describe
    from orchestra_core.liveness import process_is_gone

    folder, full_id = find_run(run_id, home)
    reader = open_journal(folder, full_id)
    state = RunState()
    while True:
        for event in reader:
            state.apply(event)
            if as_json:
                kept = {"seq": event.seq, "event_type": event.event_type, "payload": event.payload}
                click.echo(json.dumps({**kept, "created_at": event.created_at}, ensure_ascii=False))
            else:
                told = describe(event, state)
                click.echo(f"{event.seq:>6} {event.created_at} {event.event_type:<20} {told}".rstrip())
        if not follow or state.status != "running":
            return
        if process_is_gone(folder, state):
            click.echo("The process of this run is gone; nothing more will come.", err=True)
            return
        time.sleep(POLL_SECONDS)
