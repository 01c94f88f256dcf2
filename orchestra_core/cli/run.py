"""`orchestra run`."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from orchestra_core.cli.options import experiment_options, json_option, until_option
from orchestra_core.session import Request


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
@click.option("-q", "--quiet", is_flag=True, help="No progress; only the result.")
def command(
    request: Request,
    as_json: bool,
    junit: Path | None,
    run_id: str | None,
    quiet: bool,
) -> None:
    """Carry an experiment from plan to published winner.

    Without a file the runner's built-in experiment runs. Ctrl-C stops cleanly with a report of what
    is done.

    Exit code: 0 win or no difference, 1 regression or denied by a guard, 2 wrong usage, 3 the target
    or the disk failed, 4 inconclusive, 130 interrupted.

    In JUnit XML a regression or a guard's denial is a failure, trouble with target, disk or plugins is
    an error, and an inconclusive verdict is skipped.
    """
    from orchestra_core.cli.junit import StageTimes, refusals_in, write_run
    from orchestra_core.cli.main import show_traceback
    from orchestra_core.cli.output import print_json, silence_stdout
    from orchestra_core.cli.progress import open_display
    from orchestra_core.cli.result import as_content, show_outcome
    from orchestra_core.engine import run_experiment
    from orchestra_core.session import open_session

    times = StageTimes()
    with open_display(quiet=quiet or as_json) as display, terminating(), refusals_in(junit):
        session = open_session(request)
        outcome = run_experiment(session, [display.on_event, times.on_event], run_id)
    context = click.get_current_context()
    if outcome.error is not None and context.find_root().params["debug"]:
        show_traceback(outcome.error, asked=True)
    try:
        if as_json:
            print_json(as_content(outcome))
        else:
            show_outcome(outcome, session.home)
    except BrokenPipeError:  # a reader that has seen enough does not change how the run ended
        silence_stdout()
    if junit is not None:
        write_run(junit, outcome, times)
    context.exit(outcome.exit_code)


@contextmanager
def terminating() -> Iterator[None]:
    """SIGTERM ends a run as Ctrl-C does, with a report."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
