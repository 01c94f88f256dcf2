"""Which policies of a run stand, folded from its POLICY_ events.

One run may have applied several, one after the other, at one place or at many: each is a policy of its
own, with what undoing it needs.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from orchestra_core.journal.events import EventType

Standing = Literal["in force", "replaced", "rolled back", "not undone", "interrupted"]
Payload = Mapping[str, Any]


@dataclass
class StandingPolicy:
    """One policy that was applied, or may have been."""

    plugin: str
    config_id: str
    standing: Standing
    at: str
    """When it came to stand so: ISO 8601, UTC."""
    summary: str = ""
    """The plugin's own words."""
    place: str = ""
    """Where it stands, as the plugin names it."""
    undo: Payload = field(default_factory=dict)
    """What the plugin needs to undo it."""


def standing_policies(events: Iterable[Payload]) -> list[StandingPolicy]:
    """Of one run, in the order applied. `events`: as `RunState.policies` keeps them."""
    found: list[StandingPolicy] = []
    attempts: _Attempts = {}
    """Plugin → what it is about to apply; None before it said what undoing needs."""
    for payload in events:
        _TAKING[payload["event_type"]](found, attempts, payload)
    return found


def last_applied(events: Iterable[Payload], plugin: str) -> StandingPolicy | None:
    """The plugin's last policy that is in force."""
    return _last(standing_policies(events), plugin, {"in force"})


def last_intended(events: Iterable[Payload], plugin: str) -> StandingPolicy | None:
    """The plugin's last policy that is in force or may be."""
    return _last(standing_policies(events), plugin, MAY_STAND)


MAY_STAND = frozenset[Standing]({"in force", "not undone", "interrupted"})
_Found = list[StandingPolicy]
_Attempts = dict[str, StandingPolicy | None]


def _intend(found: _Found, attempts: _Attempts, payload: Payload) -> None:
    plugin = payload["plugin"]
    if "undo" not in payload:
        attempts[plugin] = None
        return
    known = attempts.get(plugin) or _same(found, payload, {"not undone", "interrupted"})
    if known is None:
        known = StandingPolicy(plugin, payload["config_id"], "interrupted", payload["created_at"])
        found.append(known)
    known.undo, attempts[plugin] = payload["undo"], known


def _apply(found: _Found, attempts: _Attempts, payload: Payload) -> None:
    known = attempts.pop(payload["plugin"], None)
    if payload.get("in_force_already"):
        known = _same(found, payload, MAY_STAND) or _at_its_place(found, payload)
        if known is not None and known.standing == "in force":
            return  # it has stood so since then
    if known is None:
        known = StandingPolicy(payload["plugin"], "", "interrupted", "")
        found.append(known)
    known.config_id = payload.get("config_id") or known.config_id
    known.standing, known.at = "in force", payload["created_at"]
    known.summary, known.undo = payload["summary"], payload["undo"]
    known.place = payload.get("place", "")


def _roll_back(found: _Found, attempts: _Attempts, payload: Payload) -> None:
    plugin = payload["plugin"]
    silent = plugin in attempts and attempts[plugin] is None
    known = attempts.pop(plugin, None)
    if known is None and not (silent and not payload["undo"]):  # else it changed nothing that stands
        known = _same(found, payload, MAY_STAND)
    if known is None and not payload["undone"]:  # of one that never said what undoing needs
        known = StandingPolicy(plugin, "", "not undone", "")
        found.append(known)
    if known is not None:
        known.standing = "rolled back" if payload["undone"] else "not undone"
        known.at = payload["created_at"]


def _same(found: _Found, payload: Payload, standing: Iterable[Standing]) -> StandingPolicy | None:
    """The plugin's last policy that the same thing undoes."""
    alike = [policy for policy in found if policy.undo == payload.get("undo")]
    return _last(alike, payload["plugin"], standing)


def _at_its_place(found: _Found, payload: Payload) -> StandingPolicy | None:
    place = payload.get("place")
    return _last([p for p in found if place and p.place == place], payload["plugin"], {"in force"})


def _last(found: _Found, plugin: str, standing: Iterable[Standing]) -> StandingPolicy | None:
    wanted = frozenset(standing)
    return next((p for p in reversed(found) if p.plugin == plugin and p.standing in wanted), None)


_TAKING = {
    EventType.POLICY_INTENT: _intend,
    EventType.POLICY_APPLIED: _apply,
    EventType.POLICY_ROLLED_BACK: _roll_back,
}
