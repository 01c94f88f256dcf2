"""What `orchestra run` and `orchestra resume` share: how a run's outcome is told."""

from __future__ import annotations

import click

from orchestra_core.artifacts import Home
from orchestra_core.outcome import Outcome


def tell(outcome: Outcome, home: Home, *, as_json: bool, repeated: bool = False) -> None:
    """Print the outcome; with --debug, where its error came from.

    `repeated`: it is that of an earlier run of the same experiment.
    """
    from orchestra_core.cli.output import print_json, reader_may_leave
    from orchestra_core.cli.result import as_content, show_outcome
    from orchestra_core.cli.running import show_traceback

    if outcome.error is not None and click.get_current_context().find_root().params["debug"]:
        show_traceback(outcome.error, asked=True)
    with reader_may_leave():
        if as_json:
            print_json({**as_content(outcome), "repeated": repeated})
        else:
            show_outcome(outcome, home)
