"""Process groups: end them, asked first, then without asking.

Also a program of its own, which `watcher` starts: so nothing is imported beyond the standard library.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from collections.abc import Callable, Collection, Iterable

GRACE_S = 2.0
"""Seconds between asking groups to end and ending them."""


def end_groups(groups: Collection[int], bury: Callable[[], object] = lambda: None) -> None:
    """End every process of the groups, all at once. An interrupt meanwhile shortens the waiting.

    `bury` takes note of own children that have ended: their remains would keep a group alive.
    """
    left = list(groups)
    try:
        left = [group for group in left if send(group, signal.SIGTERM)]
        deadline = time.monotonic() + GRACE_S
        while left and time.monotonic() < deadline:
            bury()
            left = [group for group in left if send(group, 0)]
            time.sleep(0.02 if left else 0.0)
    finally:
        for group in left:
            send(group, signal.SIGKILL)


def send(group: int, number: int) -> bool:
    """Whether there was anybody to hear it."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def watch(lines: Iterable[bytes]) -> None:
    """Read `group` where one was started and `-group` where it ended; at the end, end the others."""
    groups: set[int] = set()
    for line in lines:
        number = int(line)
        if number > 0:
            groups.add(number)
        else:
            groups.discard(-number)
    end_groups(groups)


if __name__ == "__main__":
    watch(sys.stdin.buffer)
