"""What `orchestra run` and `orchestra resume` share: signals, and how the outcome is told."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import click

from orchestra_core.artifacts import Home
from orchestra_core.outcome import Outcome


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


def tell(outcome: Outcome, home: Home, *, as_json: bool, repeated: bool = False) -> None:
    """Print the outcome; with --debug, where its error came from.

    `repeated`: it is that of an earlier run of the same experiment.
    """
    from orchestra_core.cli.main import show_traceback
    from orchestra_core.cli.output import print_json, reader_may_leave
    from orchestra_core.cli.result import as_content, show_outcome

    if outcome.error is not None and click.get_current_context().find_root().params["debug"]:
        show_traceback(outcome.error, asked=True)
    with reader_may_leave():
        if as_json:
            print_json({**as_content(outcome), "repeated": repeated})
        else:
            show_outcome(outcome, home)
