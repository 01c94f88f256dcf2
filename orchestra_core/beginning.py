"""How a sitting begins: with what words, and when the journal may tell of it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from orchestra_core.datasets import Dataset
from orchestra_core.errors import StorageError
from orchestra_core.fingerprints import fingerprint_of
from orchestra_core.journal.events import EventType
from orchestra_core.journal.recorder import remark_type
from orchestra_core.plan import Plan
from orchestra_core.session import Session
from orchestra_core.sitting import Sitting, whoever_sits


class Beginning:
    """A new run begins at once, a resumed one only when it is known that it may go on.

    What a runner says before is held back until then.
    """

    def __init__(
        self,
        session: Session,
        dataset: Dataset,
        plan: Plan,
        sitting: Sitting,
        has_begun: Callable[[], None],
    ) -> None:
        """`has_begun` is called as soon as the journal says so."""
        self._session, self._dataset, self._plan, self._sitting = session, dataset, plan, sitting
        self._has_begun = has_begun
        self._done = False
        self._held: deque[tuple[EventType, Mapping[str, Any]]] = deque()

    def payload(self) -> dict[str, Any]:
        """What RUN_STARTED says, or would if the run began now."""
        session, experiment = self._session, self._plan.experiment
        records = session.host.records()
        return {
            "name": experiment.name,
            "plan": self._plan.model_dump(mode="json"),
            "plan_hash": self._plan.plan_hash,
            "runner": session.runner_plugin,
            "backend": experiment.runner.backend or session.description.backends[0],
            "plugins": [r.model_dump(mode="json") for r in records],
            "fingerprint": fingerprint_of(self._plan, self._dataset, records, {}),
            "asked": session.request.asked(session.home),
            **whoever_sits(),
        }

    def write(self) -> None:
        """From here on the journal tells of this sitting. Raises StorageError; then try again."""
        recorder = self._sitting.recorder
        if self._done or (recorder.state.started and not self._sitting.is_resumed):
            return
        if self._sitting.is_resumed:
            first = (EventType.RUN_RESUMED, self._sitting.resumption())
        else:
            first = (EventType.RUN_STARTED, self.payload())
        faults = [s.error for s in self._session.host.statuses.values() if s.error is not None]
        errors = ((EventType.PLUGIN_ERROR, {"error": error.as_payload()}) for error in faults)
        recorder.record_all([first, *errors])
        self._done = True
        self._has_begun()
        while self._held:
            recorder.record(*self._held.popleft())

    def write_safely(self) -> None:
        """`write` where the disk may be what fails; a run has a start at least in memory."""
        with suppress(StorageError):
            self.write()
        recorder = self._sitting.recorder
        if not recorder.state.started:
            recorder.record_safely(EventType.RUN_STARTED, self.payload())

    def remark(self, event_type: str, payload: Mapping[str, Any]) -> None:
        """Record what a runner has to say, once it has begun. Raises UsageError for what it may not."""
        if self._done:
            self._sitting.recorder.emit(event_type, payload)
        else:
            self._held.append((remark_type(event_type), payload))
