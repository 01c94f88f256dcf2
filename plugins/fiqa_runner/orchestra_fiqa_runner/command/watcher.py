"""Ends what Orchestra started when Orchestra itself could not, however it ended.

A process of its own, because nothing else outlives SIGKILL. It hears of process groups through a pipe
whose other end Orchestra alone holds: when that closes, whatever still runs is ended. It has a session
of its own, so neither Ctrl-C nor a terminal that is closed reaches it.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import suppress

from orchestra_fiqa_runner.command import groups


class Watcher:
    """The other process, as seen from Orchestra. Not safe to use from several threads at once."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def open(self) -> None:
        """Be there before anything is started. Raises OSError where no process can be."""
        if self._process is None:
            self._process = subprocess.Popen(  # noqa: S603 - Orchestra's own file
                [sys.executable, "-I", "-S", groups.__file__],
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )

    def begin(self, group: int) -> None:
        """A group was started."""
        self._tell(group)

    def end(self, group: int) -> None:
        """A group has ended."""
        self._tell(-group)

    def close(self) -> None:
        """Nothing is started any more; what was not told to have ended is ended."""
        if self._process is not None and self._process.stdin is not None:
            with suppress(OSError):
                self._process.stdin.close()
            self._process.wait()

    def _tell(self, number: int) -> None:
        pipe = self._process.stdin if self._process is not None else None
        if pipe is not None and not pipe.closed:
            with suppress(OSError):  # somebody ended it
                pipe.write(b"%d\n" % number)
                pipe.flush()
