"""Whether what a thread sends is part of a load that somebody stated.

`drive` says so to its clients, and the door behaves accordingly; the runner between them need not know.
A stated load reaches the target as it was stated: held back by what the target says, it would be
another load, and the time of holding back would be missing in the figures.
"""

from __future__ import annotations

from contextvars import ContextVar

STATED: ContextVar[bool] = ContextVar("orchestra_stated_load", default=False)
"""Of the thread that sends."""
