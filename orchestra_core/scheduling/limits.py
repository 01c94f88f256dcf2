"""Give up on a call that does not come back."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from orchestra_core.errors import RunnerTimeout

Answer = TypeVar("Answer")


def within(seconds: float, call: Callable[[], Answer]) -> Answer:
    """The answer of `call`, made on a daemon thread. Raises what it raises, or RunnerTimeout.

    A thread that hangs is left behind: Python can't end it, and as a daemon it holds up nothing.
    """
    future = begin(call)
    try:
        return future.result(timeout=seconds)
    except TimeoutError:
        if future.done():  # the call's own
            raise
        raise too_late(seconds) from None


def begin(call: Callable[[], Answer]) -> Future[Answer]:
    """Make a call on a daemon thread of its own."""
    future: Future[Answer] = Future()

    def work() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # whatever ends the thread must reach the caller
            future.set_exception(error)

    threading.Thread(target=work, name="orchestra-call", daemon=True).start()
    return future


def too_late(seconds: float) -> RunnerTimeout:
    """The error of a runner that did not come back."""
    return RunnerTimeout(
        f"the runner did not come back within {seconds:g} s",
        hint="Raise runner.runner_timeout_s, or look at the target's load.",
    )
