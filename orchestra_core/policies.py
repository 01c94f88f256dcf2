"""Put a winner into force through the policy hooks, each verified, and undo it.

Used by the publish stage and by `orchestra policy`. What undoing needs is in the journal before
anything is changed, so that neither a crash nor a dying target leaves a change nobody can undo.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from orchestra_core.artifacts import Home
from orchestra_core.errors import TargetError, describe_error
from orchestra_core.experiment import Experiment
from orchestra_core.history import read_history
from orchestra_core.journal.events import EventType
from orchestra_core.journal.recorder import Recorder
from orchestra_core.outbound.allowance import unlimited
from orchestra_core.payloads import PolicyIntent, PolicyReceipt, PolicyRequest
from orchestra_core.plugins.calls import HookCalls
from orchestra_core.report import Winner

Undo = Mapping[str, Any]
UNDO_S = 60.0
"""What was changed is put back, though the run's own time is over; it may take so long then."""


@dataclass
class Policies:
    """The policies of one winner. `asked`: plugin → what it needs to undo, in the order asked."""

    calls: HookCalls
    recorder: Recorder
    home: Home
    experiment: Experiment
    winner: Winner
    left_s: Callable[[], float] = unlimited
    """Seconds that the run's limits leave."""
    asked: dict[str, Undo] = field(default_factory=dict)

    def apply(self, *, again: bool = False) -> None:
        """Ask plugin by plugin; `asked` grows before each, so that one that fails half-way is undone.

        What a resumed run has applied already is left alone, unless `again`. Raises what a policy
        raised, TargetError for one that was not found when read back.
        """
        for plugin in self.calls.policy_plugins():
            applied = self.recorder.applied_policy(plugin)
            if applied is not None and not again:
                self.asked[plugin] = applied["undo"]
            else:
                self._apply(plugin)

    def roll_back(self, cause: BaseException | None) -> bool:
        """Undo what was asked, the last first; whether all of it was undone. Raises nothing."""
        done = [self._roll_back(plugin, cause) for plugin in reversed(self.asked)]
        return all(done)

    def _apply(self, plugin: str) -> None:
        self._record_intent(plugin)
        earlier = self.recorder.intended_policy(plugin)
        self.asked[plugin] = {}
        request = PolicyRequest(
            self.recorder.run_id,
            self.winner,
            self._previous(),
            experiment=self.experiment,
            home=self.home.root,
            emit=self.recorder.emit,
            left_s=self.left_s,
            intended=earlier,
            intend=lambda undo: self._intend(plugin, undo),
        )
        receipt = self.calls.apply_policy(plugin, request)
        if receipt is None:
            del self.asked[plugin]
            return
        self.asked[plugin] = receipt.undo or self.asked[plugin]
        _check_verified(plugin, receipt)
        undo = dict(self.asked[plugin])
        content = {"plugin": plugin, "summary": receipt.summary, "undo": undo}
        told = {"config_id": self.winner.config_id, "in_force_already": not receipt.changed}
        self.recorder.record(EventType.POLICY_APPLIED, {**content, **told})

    def _intend(self, plugin: str, undo: Undo) -> None:
        self._record_intent(plugin, undo=dict(undo))
        self.asked[plugin] = dict(undo)

    def _record_intent(self, plugin: str, **more: Any) -> None:
        content = {"plugin": plugin, "config_id": self.winner.config_id, **more}
        self.recorder.record(EventType.POLICY_INTENT, content)

    def _previous(self) -> Mapping[str, Any] | None:
        """The record of the winner published last by another run."""
        own = self.recorder.run_id
        history = [record for record in read_history(self.home) if record["run_id"] != own]
        return history[-1] if history else None

    def _roll_back(self, plugin: str, cause: BaseException | None) -> bool:
        until = time.monotonic() + UNDO_S
        intent = PolicyIntent(
            self.recorder.run_id,
            self.winner,
            self.asked[plugin],
            experiment=self.experiment,
            home=self.home.root,
            emit=self.recorder.emit,
            left_s=lambda: max(self.left_s(), until - time.monotonic()),
        )
        undone = self.calls.rollback_policy(plugin, intent)
        error = describe_error(cause) if cause else None
        content = {"plugin": plugin, "undone": undone, "error": error}
        self.recorder.record_safely(EventType.POLICY_ROLLED_BACK, content)
        return undone


def _check_verified(plugin: str, receipt: PolicyReceipt) -> None:
    if not receipt.verified:
        raise TargetError(
            f"plugin '{plugin}' applied the policy but did not find it when reading back: "
            f"{receipt.summary}",
            hint="POLICY_ROLLED_BACK says whether it was undone; look at the target's own log.",
        )
