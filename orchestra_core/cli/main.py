"""Entry point of the script `orchestra`. Imports next to nothing before it listens to signals."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from orchestra_core.cli import signals

INTERRUPTED = 130


def main() -> None:
    """Run the CLI and exit; a signal ends it in good order whenever it comes."""
    try:
        signals.listen()
        code = run()
        signals.end_with(code)
    except KeyboardInterrupt:  # before the command began, or after its last word
        signals.end_with(INTERRUPTED)
        sys.stderr.write("Interrupted.\n")
        code = INTERRUPTED
    sys.exit(code)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the CLI; returns the exit code. Tracebacks only with --debug or ORCHESTRA_DEBUG=1."""
    from orchestra_core.cli.running import run_command

    return run_command(list(sys.argv[1:] if arguments is None else arguments))
