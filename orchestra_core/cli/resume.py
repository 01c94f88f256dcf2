"""`orchestra resume RUN`."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from orchestra_core.cli.options import find_run, home_option, json_option, run_argument


@click.command("resume")
@run_argument
@home_option
@json_option
@click.option(
    "--failed-only",
    is_flag=True,
    help="Ask again what failed or was interrupted, and stop there.",
)
@click.option(
    "--fork",
    is_flag=True,
    help="Start a new run of the experiment as it is now; what still holds is not asked again.",
)
@click.option("-q", "--quiet", is_flag=True, help="No progress; only the result.")
def command(
    run_id: str, home: Path | None, as_json: bool, failed_only: bool, fork: bool, quiet: bool
) -> None:
    """Go on with a run that was interrupted, failed or killed.

    No finished unit is asked again, and the race goes on where it stood. Refused while another process
    runs it, and when the experiment, the data, the index or the plugins are no longer the same.

    Exit code: as for `orchestra run`; 2 also when it is refused.
    """
    from orchestra_core.cli.carrying import tell
    from orchestra_core.cli.progress import open_display
    from orchestra_core.journal.memory import load_state
    from orchestra_core.resuming import finished_outcome, fork_experiment, request_of, resume_experiment
    from orchestra_core.session import open_session

    if fork and failed_only:
        raise click.UsageError("--fork and --failed-only do not go together")
    folder, full_id = find_run(run_id, home)
    state = load_state(folder, full_id)
    outcome = None if fork else finished_outcome(state)
    if outcome is None:
        with open_display(quiet=quiet or as_json) as display:
            session = open_session(request_of(folder, state))
            if fork:
                outcome = fork_experiment(session, full_id, [display.on_event])
            else:
                asks: Literal["tried", "anything"] = "tried" if failed_only else "anything"
                outcome = resume_experiment(session, full_id, [display.on_event], asks=asks)
    elif not (as_json or quiet):
        click.echo(f"{full_id} is done; nothing is left to do.", err=True)
    tell(outcome, folder, as_json=as_json)
    click.get_current_context().exit(outcome.exit_code)
