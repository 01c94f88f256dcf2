"""What a forked child must make anew: locks that another thread may have held, descriptors that share
the kernel's locks with the parent's."""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet


class Inherited(Protocol):
    """Something that a forked child has a copy of."""

    def after_fork(self) -> None:
        """Called in the child before anything else runs there; there is one thread only."""


_INHERITED: WeakSet[Inherited] = WeakSet()


def made_anew_in_children(one: Inherited) -> None:
    """Call `one.after_fork()` in every child that is forked while it is in use."""
    _INHERITED.add(one)


def _after_fork() -> None:
    for one in list(_INHERITED):
        one.after_fork()


os.register_at_fork(after_in_child=_after_fork)
