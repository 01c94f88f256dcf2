"""What commands that ask a target share: signals, and how a run's outcome is told."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import click

from orchestra_core.artifacts import Home
from orchestra_core.outcome import Outcome

_ENDINGS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


@contextmanager
def terminating() -> Iterator[None]:
    """SIGTERM and the loss of the terminal end a command as Ctrl-C does: in good order."""

    def interrupt(_number: int, _frame: object) -> None:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with ExitStack() as restoring:
        for number in _ENDINGS:
            before = signal.getsignal(number)
            if before is not signal.SIG_IGN:  # as `nohup` wants it
                signal.signal(number, interrupt)
                restoring.callback(signal.signal, number, before or signal.SIG_DFL)
        yield


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
