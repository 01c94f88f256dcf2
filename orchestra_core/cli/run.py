"""`orchestra run`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestra_core.cli.options import experiment_options, json_option, until_option
from orchestra_core.session import Request

if TYPE_CHECKING:
    from orchestra_core.artifacts import Home
    from orchestra_core.cli.junit import StageTimes
    from orchestra_core.errors import AlreadyRun
    from orchestra_core.outcome import Outcome


@click.command("run")
@experiment_options
@until_option
@json_option
@click.option(
    "--junit",
    type=click.Path(dir_okay=False, path_type=Path),
    metavar="FILE",
    help="Write the outcome as JUnit XML for build servers.",
)
@click.option("--run-id", metavar="ID", help="The run's id.  [default: name, time and a random part]")
@click.option("--again", is_flag=True, help="Run it even if the same experiment is running or done.")
@click.option("-q", "--quiet", is_flag=True, help="No progress; only the result.")
def command(
    request: Request,
    as_json: bool,
    junit: Path | None,
    run_id: str | None,
    again: bool,
    quiet: bool,
) -> None:
    """Carry an experiment from plan to published winner.

    Without a file the runner's built-in experiment runs. Ctrl-C stops cleanly with a report of what
    is done; `orchestra resume` goes on from there. An experiment that is done already is not run once
    more without --again: its outcome is shown.

    Exit code: 0 win or no difference, 1 regression or denied by a guard, 2 wrong usage, 3 the target
    or the disk failed, 4 inconclusive, 130 interrupted.

    In JUnit XML a regression or a guard's denial is a failure, trouble with target, disk or plugins is
    an error, and an inconclusive verdict is skipped.
    """
    from orchestra_core.cli.carrying import tell
    from orchestra_core.cli.junit import StageTimes, refusals_in, write_run
    from orchestra_core.cli.progress import open_display
    from orchestra_core.engine import run_experiment
    from orchestra_core.errors import AlreadyRun
    from orchestra_core.session import open_session

    times = StageTimes()
    with open_display(quiet=quiet or as_json) as display, refusals_in(junit):
        session, repeated = open_session(request), False
        try:
            outcome = run_experiment(
                session, [display.on_event, times.on_event], again=again, run_id=run_id
            )
        except AlreadyRun as found:
            if found.details["status"] == "running":
                raise
            outcome, repeated = _outcome_of(session.home, found, times), True
            if not as_json:
                click.echo(f"{found.message}. {found.hint}", err=True)
    tell(outcome, session.home, as_json=as_json, repeated=repeated)
    if junit is not None:
        write_run(junit, outcome, times)
    click.get_current_context().exit(outcome.exit_code)


def _outcome_of(home: Home, found: AlreadyRun, times: StageTimes) -> Outcome:
    """The outcome of the run that was the same, with its stages' times."""
    from orchestra_core.exit_codes import exit_code_of
    from orchestra_core.journal.memory import open_journal
    from orchestra_core.journal.reporting import report_on
    from orchestra_core.journal.state import RunState
    from orchestra_core.outcome import Outcome

    state = RunState()
    for event in open_journal(home, found.details["run_id"]):
        state.apply(event)
        times.on_event(event, state)
    return Outcome(report_on(state), exit_code_of(state), tuple(state.artifacts))
