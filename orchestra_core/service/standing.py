"""Where a run stands: what its journal, its order and its process say together.

The one place that decides it. Status, page, list, streams, cancel and resume all ask here, and whatever
is kept of an answer is kept under the standing it was made from.
"""

from __future__ import annotations

from dataclasses import dataclass

from orchestra_core.report import RunStatus
from orchestra_core.service.models import RunState
from orchestra_core.service.orders import Order


@dataclass(frozen=True)
class Standing:
    """A run at one moment; equal ones tell the same story."""

    status: RunState
    position: int | None
    """The place in the queue, from 1."""
    goes_on: bool
    """Whether more may come in its journal."""
    order: Order | None
    version: int
    """Of the journal's fold."""


@dataclass(frozen=True)
class Fold:
    """What of a run's journal decides where it stands."""

    exists: bool
    """Whether a line of it was ever finished; a worker that was killed before leaves none."""
    begun: bool
    """Whether its beginning can be read. The engine writes that first, so anything else is damage."""
    status: RunStatus
    resumed: int
    """How often the run was gone on with."""


@dataclass(frozen=True)
class Place:
    """What the pool knows of a run."""

    position: int | None
    held: bool
    """A worker of this service, or of one before it, carries it or is being started."""
    carried: bool
    """Some process holds its lock."""

    @property
    def goes_on(self) -> bool:
        """Whether somebody will do something for it."""
        return self.position is not None or self.held or self.carried


def is_due(order: Order, fold: Fold) -> bool:
    """Whether an order has not been carried out: neither begun, nor gone on with, nor given up."""
    if order.refused is not None or order.cancelled_at is not None:
        return False
    return not fold.exists or (fold.begun and fold.resumed < order.resumes)


def status_of(fold: Fold, order: Order | None, place: Place) -> RunState:
    """The state that is told of a run."""
    here = place.held or place.carried
    if place.position is not None:
        return "queued"
    if not fold.exists:
        return "starting" if here else _unbegun(order)
    if place.held and order is not None and is_due(order, fold):
        return "starting"
    if fold.status == "running":
        return "running" if here else "interrupted"
    return fold.status


def _unbegun(order: Order | None) -> RunState:
    """Of a run without a journal, for which nobody does anything."""
    if order is not None and order.refused is not None:
        return "refused"
    return "cancelled" if order is not None and order.cancelled_at else "interrupted"
