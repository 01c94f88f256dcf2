"""Probe one open target: at one load, or at rate after rate in search of the highest.

Whatever was measured before a Ctrl-C is kept, so that the caller can show it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Literal

from orchestra_core.errors import BudgetExhausted
from orchestra_core.journal.events import now
from orchestra_core.observation import LatencySample
from orchestra_core.probing.figures import LoadFigures, LoadReport
from orchestra_core.probing.measuring import figures_of, requests_in
from orchestra_core.probing.opening import OpenTarget
from orchestra_core.probing.searching import climb
from orchestra_core.runner import Load
from orchestra_core.scheduling.attended import Attended
from orchestra_core.scheduling.load import FAREWELL_S, arrival_times

MOST_FAILED = 0.01
"""Share of the requests that may fail at a rate that the target is said to bear."""
KEPT_UP = 0.9
"""Share of a rate that must be answered per second; `searching.PRECISION` is no finer."""
Tell = Callable[[int, int | None], None]
"""Called with how many samples there are, and how many there will be where that is known."""
Ending = Literal["found", "time", "limits", "interrupted"]


@dataclass
class Probe:
    """One load on one target, for so many seconds."""

    target: OpenTarget
    load: Load
    seconds: float
    tell: Tell = lambda _done, _all: None
    samples: list[LatencySample] = field(default_factory=list)
    interrupted: bool = False
    limit: BudgetExhausted | None = None
    """What ended it before its time, if it was a limit of the experiment."""

    def run(self) -> LoadFigures:
        """Drive the load to its end or to a Ctrl-C. Raises BudgetExhausted, or the runner's error.

        What is under way then has `runner.timeout_s` to be answered (a moment after a Ctrl-C), else it
        failed, `unfinished`: to leave it out would leave out the slowest.
        """
        requests = self._requests()
        patience_s = self.target.plan.experiment.runner.timeout_s
        sending_s = patience_s + self.seconds
        if self.load.mode == "open":
            sending_s = patience_s + arrival_times(requests + self.load.warmup, self.load)[-1]
        drain_s = FAREWELL_S if self.load.mode == "open" else patience_s
        budget = self.target.budget
        tab = budget.tab(id(self))
        probe = Attended(lambda: self.target.probe(self.load, requests), sending_s, drain_s, tab=tab)
        try:
            self._listen(probe, requests if self.load.mode == "open" else None)
        except KeyboardInterrupt:
            self.interrupted = True
            probe.stop()
            with suppress(KeyboardInterrupt):  # who is that impatient gets what there is
                self._listen(probe, None)
        finally:
            probe.stop(0.0)
            budget.spend(tab.requests, tab.cost_usd)
            budget.close(id(self))
        if len(self.samples) < requests and not (self.interrupted or probe.late):
            self._note_the_limit()
        return figures_of(self.samples, self.load, seed=self.target.plan.experiment.seed)

    def _note_the_limit(self) -> None:
        try:
            self.target.budget.check(1)
        except BudgetExhausted as error:
            self.limit = error

    def _requests(self) -> int:
        """A closed loop has no schedule: as many requests as fit into the time and the limits."""
        if self.load.mode == "open":
            return requests_in(self.load, self.seconds)
        return max(1, self.target.requests_left - self.load.warmup)

    def _listen(self, probe: Attended, requests: int | None) -> None:
        while (sample := probe.take()) is not None:
            if self.load.mode == "closed" and not self.samples:
                probe.last_for(self.seconds)  # the warm-up is over
            self._take(sample, requests)

    def _take(self, sample: LatencySample, requests: int | None) -> None:
        self.samples.append(sample)
        self.tell(len(self.samples), requests)


@dataclass
class Search:
    """For the highest rate that is answered as fast as it is asked, hardly any request failing, and at
    which p95 keeps a limit, failures counted as endlessly slow."""

    target: OpenTarget
    first: Load
    """The load to begin with; later ones differ in their rate."""
    limit_ms: float
    step_seconds: float
    within_seconds: float
    steps: list[LoadFigures] = field(default_factory=list)
    ended: Ending = "found"

    def run(self, tell: Callable[[LoadFigures, bool], None]) -> None:
        """Try rates until the highest is known well enough; `tell` hears which kept the limit."""
        deadline = time.monotonic() + self.within_seconds
        rates = climb(self.first.rate)
        held: bool | None = None
        try:
            while (rate := _following(rates, held)) is not None:
                if time.monotonic() + self.step_seconds > deadline:
                    self.ended = "time"
                    return
                probe = Probe(self.target, self._load_at(rate), self.step_seconds)
                figures = probe.run()
                if probe.interrupted:
                    raise KeyboardInterrupt
                if probe.limit is not None:
                    raise probe.limit
                self.steps.append(figures)
                held = self.kept(figures)
                tell(figures, held)
        except BudgetExhausted:
            self.ended = "limits"
        except KeyboardInterrupt:
            self.ended = "interrupted"

    def kept(self, figures: LoadFigures) -> bool:
        """Whether a step kept the limit, `MOST_FAILED` and `KEPT_UP`."""
        p95, asked, answered = figures.p95_with_errors_ms, figures.scheduled_rate, figures.achieved_rate
        if p95 is None or asked is None or answered is None:
            return False
        hardly_any = figures.requests - figures.answered <= MOST_FAILED * figures.requests
        return p95 <= self.limit_ms and hardly_any and answered >= KEPT_UP * asked

    def report(self, load_id: str) -> LoadReport:
        """All steps so far, and the highest rate that held."""
        rates = [step.rate for step in self.steps if step.rate and self.kept(step)]
        return LoadReport(
            load_id=load_id,
            created_at=now(),
            dataset=self.target.plan.dataset,
            config_id=self.target.configuration.config_id,
            limit_ms=self.limit_ms,
            step_seconds=self.step_seconds,
            steps=tuple(self.steps),
            highest_rate=max(rates, default=None),
            ended=self.ended,
        )

    def _load_at(self, rate: float) -> Load:
        first = self.first
        return Load("open", warmup=first.warmup, rate=rate, arrivals=first.arrivals, seed=first.seed)


def _following(rates: Generator[float, bool, None], held: bool | None) -> float | None:
    """The next rate of `climb`; None when it has seen enough."""
    try:
        return next(rates) if held is None else rates.send(held)
    except StopIteration:
        return None
