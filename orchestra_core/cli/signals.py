"""SIGTERM and the loss of the terminal end a command as Ctrl-C does, from its first moment to its last.

Imported before anything heavy, so that hardly any time is left in which they kill.
"""

from __future__ import annotations

import os
import signal
from typing import NoReturn

_ENDINGS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]


def listen() -> None:
    """From now on they raise KeyboardInterrupt; one that is ignored, as by `nohup`, stays ignored."""
    for number in _ENDINGS:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, _interrupt)


def end_with(code: int) -> None:
    """All was said: whatever comes now, the exit code is this one, and Ctrl-C ends at once."""
    for number in _ENDINGS:
        signal.signal(number, signal.SIG_IGN)

    def leave(_number: int, _frame: object) -> NoReturn:
        os._exit(code)

    signal.signal(signal.SIGINT, leave)


def _interrupt(_number: int, _frame: object) -> NoReturn:
    raise KeyboardInterrupt
