"""Where a run stands: what its journal, its order and its process say together.

The one place that decides it. Status, page, list, streams, cancel and resume all ask here, and whatever
is kept of an answer is kept under the standing it was made from.
"""

from __future__ import annotations

from dataclasses import dataclass

from orchestra_core.service.following import Follower
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
class Place:
    """What the pool knows of a run."""

    position: int | None
    held: bool
    """A worker of this service, or of one before it, carries it or is being started."""
    carried: bool
    """Some process holds its lock."""


def standing_of(follower: Follower, order: Order | None, place: Place) -> Standing:
    """Where a run stands, with its journal as last read."""
    return Standing(
        status=_status(follower, order, place),
        position=place.position,
        goes_on=place.position is not None or place.held or place.carried,
        order=order,
        version=follower.version,
    )


def is_due(order: Order, follower: Follower) -> bool:
    """Whether an order has not been carried out: neither begun, nor gone on with, nor given up."""
    if order.refused is not None or order.cancelled_at is not None:
        return False
    return not follower.exists or follower.state.resumed < order.resumes


def _status(follower: Follower, order: Order | None, place: Place) -> RunState:
    here = place.held or place.carried
    if place.position is not None:
        return "queued"
    if not follower.exists:
        return "starting" if here else _unbegun(order)
    state = follower.state
    if state.status == "running":
        return "running" if here else "interrupted"
    starts_again = place.held and order is not None and is_due(order, follower)
    return "starting" if starts_again else state.status


def _unbegun(order: Order | None) -> RunState:
    """Of a run without a journal, for which nobody does anything."""
    if order is not None and order.refused is not None:
        return "refused"
    return "cancelled" if order is not None and order.cancelled_at else "interrupted"
