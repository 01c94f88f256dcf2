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
from orchestra_core.errors import OrchestraError, TargetError, UsageError, describe_error
from orchestra_core.experiment import Experiment
from orchestra_core.history import read_history
from orchestra_core.journal.applied import last_applied, last_intended
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
class Asked:
    """A plugin that was asked to apply, and what it needs to undo."""

    plugin: str
    undo: Undo


@dataclass
class Policies:
    """The policies of one winner; `asked` in the order asked."""

    calls: HookCalls
    recorder: Recorder
    home: Home
    experiment: Experiment
    winner: Winner
    left_s: Callable[[], float] = unlimited
    """Seconds that the run's limits leave."""
    asked: list[Asked] = field(default_factory=list)

    def apply(self, *, again: bool = False) -> None:
        """Ask plugin by plugin; `asked` grows before each, so that one that fails half-way is undone.

        What a resumed run has applied already is left alone, unless `again`. Raises what a policy
        raised, TargetError for one that was not found when read back.
        """
        for plugin in self.calls.policy_plugins():
            applied = last_applied(self.recorder.earlier_policies, plugin)
            if applied is not None and not again:
                self.asked.append(Asked(plugin, applied.undo))
            else:
                self._apply(plugin)

    def roll_back(self, cause: BaseException | None) -> list[OrchestraError]:
        """Undo what was asked, the last first; why something was not undone. Raises nothing."""
        told = [self._roll_back(asked, cause) for asked in reversed(self.asked)]
        return [error for error in told if error is not None]

    def _apply(self, plugin: str) -> None:
        self._record_intent(plugin)
        earlier = last_intended(self.recorder.earlier_policies, plugin)
        asked = Asked(plugin, {})
        self.asked.append(asked)
        request = PolicyRequest(
            self.recorder.run_id,
            self.winner,
            self._previous(),
            experiment=self.experiment,
            home=self.home.root,
            emit=self.recorder.emit,
            left_s=self.left_s,
            intended=earlier.undo if earlier else None,
            intend=lambda undo: self._intend(asked, undo),
        )
        receipt = self.calls.apply_policy(plugin, request)
        if receipt is None:
            self.asked.remove(asked)
            return
        asked.undo = receipt.undo or asked.undo
        _check_verified(plugin, receipt)
        content = {"plugin": plugin, "summary": receipt.summary, "undo": dict(asked.undo)}
        told = {"config_id": self.winner.config_id, "in_force_already": not receipt.changed}
        self.recorder.record(EventType.POLICY_APPLIED, {**content, **told, "place": receipt.place})

    def _intend(self, asked: Asked, undo: Undo) -> None:
        self._record_intent(asked.plugin, undo=dict(undo))
        asked.undo = dict(undo)

    def _record_intent(self, plugin: str, **more: Any) -> None:
        content = {"plugin": plugin, "config_id": self.winner.config_id, **more}
        self.recorder.record(EventType.POLICY_INTENT, content)

    def _previous(self) -> Mapping[str, Any] | None:
        """The record of the winner published last by another run."""
        own = self.recorder.run_id
        history = [record for record in read_history(self.home) if record["run_id"] != own]
        return history[-1] if history else None

    def _roll_back(self, asked: Asked, cause: BaseException | None) -> OrchestraError | None:
        until = time.monotonic() + UNDO_S
        intent = PolicyIntent(
            self.recorder.run_id,
            self.winner,
            asked.undo,
            experiment=self.experiment,
            home=self.home.root,
            emit=self.recorder.emit,
            left_s=lambda: max(self.left_s(), until - time.monotonic()),
        )
        refused = self.calls.rollback_policy(asked.plugin, intent)
        if isinstance(refused, UsageError):  # of a wrong setting, say: the target was not asked
            return refused
        content = {"plugin": asked.plugin, "undone": refused is None, "undo": dict(asked.undo)}
        why = cause or refused
        error = describe_error(why) if why else None
        self.recorder.record_safely(EventType.POLICY_ROLLED_BACK, {**content, "error": error})
        return refused


def _check_verified(plugin: str, receipt: PolicyReceipt) -> None:
    if not receipt.verified:
        raise TargetError(
            f"plugin '{plugin}' applied the policy but did not find it when reading back: "
            f"{receipt.summary}",
            hint="POLICY_ROLLED_BACK says whether it was undone; look at the target's own log.",
        )
