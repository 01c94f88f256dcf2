"""The loop: plan, stages, reflect, guard, report; and nothing else."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from types import ModuleType
from typing import Any

from orchestra_core.beginning import Beginning
from orchestra_core.datasets import Dataset
from orchestra_core.errors import (
    EarlyStop,
    GuardDenied,
    HealthFailed,
    HookError,
    OrchestraError,
    RunCancelled,
    RunChanged,
    StorageError,
    describe_error,
)
from orchestra_core.evaluation.metrics import Scorer, metric_names
from orchestra_core.exit_codes import exit_code_of
from orchestra_core.fingerprints import measured, with_measured
from orchestra_core.history import read_history
from orchestra_core.journal.events import Event, EventType
from orchestra_core.journal.memory import remember
from orchestra_core.journal.past import UNITS
from orchestra_core.journal.recorder import Listener
from orchestra_core.journal.reporting import build_report
from orchestra_core.journal.state import RunState
from orchestra_core.outcome import Outcome, write_artifacts
from orchestra_core.payloads import (
    EventNotice,
    Executor,
    ExecutorRequest,
    FinishedRun,
    GuardEvidence,
)
from orchestra_core.plan import Plan, StageName
from orchestra_core.repeating import refuse_changes, refuse_repetition, starting
from orchestra_core.runner import Runner
from orchestra_core.scheduling.budget import Budget
from orchestra_core.scheduling.health import healthy
from orchestra_core.scheduling.store import Earlier
from orchestra_core.scheduling.units import evaluator
from orchestra_core.session import Session
from orchestra_core.sitting import Sitting, new_sitting
from orchestra_core.stages import ab, grid, publish, select, smoke
from orchestra_core.stages.context import RunContext

STAGES: dict[StageName, ModuleType] = {
    "smoke": smoke,
    "grid": grid,
    "ab": ab,
    "select": select,
    "publish": publish,
}


def run_experiment(
    session: Session,
    listeners: Sequence[Listener] = (),
    *,
    again: bool = True,
    earlier: Earlier | None = None,
    run_id: str | None = None,
) -> Outcome:
    """Carry an experiment from plan to report, as `run_id` or under a new name.

    Without `again`, AlreadyRun when the same experiment is running or done. `earlier`: a run whose
    results are taken where they hold. Raises OrchestraError only before the run has a journal; later
    errors are in the outcome.
    """
    dataset = session.open_dataset()
    plan = session.make_plan(dataset)
    with starting(session.home) as has_begun:
        if not again:
            refuse_repetition(session, plan, dataset)
        with new_sitting(session.home, plan, listeners, earlier, run_id) as sitting:
            return carry_out(session, dataset, plan, sitting, has_begun)


def carry_out(
    session: Session,
    dataset: Dataset,
    plan: Plan,
    sitting: Sitting,
    has_begun: Callable[[], None] = lambda: None,
) -> Outcome:
    """Carry a run to its end from where it stands. Raises RunChanged when it can't be gone on with.

    `has_begun` is called as soon as the journal says so.
    """
    return _Run(session, dataset, plan, sitting, has_begun).carry_out()


class _Run:
    """One run, from its journal's first line to its last."""

    def __init__(
        self,
        session: Session,
        dataset: Dataset,
        plan: Plan,
        sitting: Sitting,
        has_begun: Callable[[], None],
    ) -> None:
        self.session = session
        self.dataset = dataset
        self.plan = plan
        self.sitting = sitting
        self.recorder = sitting.recorder
        self.run_id = sitting.run_id
        self.began, self.requests = time.monotonic(), 0
        self.beginning = Beginning(session, dataset, plan, sitting, has_begun)
        past = sitting.past
        self.budget = Budget(plan.experiment.limits, past.requests_in_vain, past.cost_in_vain)
        session.calls.on_error = self._plugin_error
        self.recorder.listen(self._count)
        self.recorder.listen(self._tell_plugins)

    def carry_out(self) -> Outcome:
        """Stages, ending, report, memory; always in this order, whatever fails."""
        error: BaseException | None = None
        if self.sitting.past.state.is_finished:
            return self._tell(None)
        try:
            self._stages()
            self.recorder.record(EventType.RUN_COMPLETED, self._ending())
        except EarlyStop as stop:
            error = stop
            self._fail_stage(stop)
            ending = {"early_stopped": True, "reason": stop.message, "exit_code": stop.exit_code}
            self._end(EventType.RUN_COMPLETED, ending)
        except (KeyboardInterrupt, RunCancelled) as interrupt:
            hint = f"What is done is in the report. Go on with: orchestra resume {self.run_id}"
            error = _cancelled(interrupt, hint)
            self.recorder.refold()
            self._end(EventType.RUN_CANCELLED, _failure(error))
        except Exception as cause:
            if isinstance(cause, RunChanged) and not self.recorder.wrote:
                raise  # nothing was gone on with, so nothing has failed
            error = cause
            self._fail_stage(cause)
            self._end(EventType.RUN_FAILED, _failure(cause))
        return self._tell(error)

    def _stages(self) -> None:
        with ExitStack() as closing:
            runner = self._start(closing)
            executor = self._executor()
            closing.callback(self._close, executor)
            context = self._context(runner, executor)
            for stage in self.plan.stages:
                self.budget.begin_stage()
                STAGES[stage.name].run(context)

    def _close(self, opened: Runner | Executor) -> None:
        """What was found stands, whether or not the runner closes in peace."""
        try:
            opened.close()
        except Exception as error:
            told = describe_error(error)
            self._plugin_error(
                HookError(f"{type(opened).__name__}.close() failed: {told['msg']}", hint=told["hint"])
            )

    def _start(self, closing: ExitStack) -> Runner:
        """Begin, guard the plan, open the runner, and see that it can be asked.

        A resumed run begins only when nothing has changed, so that a refusal leaves it as it was.
        """
        read_history(self.session.home)  # if it can't be read, better know it now than at publication
        now = self.beginning.payload()
        if self.sitting.is_resumed:
            refuse_changes(self.recorder.state, now)
        else:
            self.beginning.write()
        rulings = self.session.calls.guard(GuardEvidence("plan", self.run_id, self.plan))
        denied = [r for r in rulings if r.kind == "deny"]
        if not denied:
            runner, health = self._open_runner(closing)
            if self.sitting.is_resumed:
                refuse_changes(self.recorder.state, with_measured(now, health))
        self.beginning.write()
        publish.record_rulings(self.recorder, "plan", rulings)
        if denied:
            told = "; ".join(f"{r.plugin} ({r.rule}): {r.reason}" for r in denied)
            raise GuardDenied(f"the plan was denied by {told}", hint=denied[0].hint)
        self.recorder.record(EventType.HEALTH_OK, health)
        return runner

    def _open_runner(self, closing: ExitStack) -> tuple[Runner, dict[str, Any]]:
        """The runner, and what HEALTH_OK says of it."""
        runner = self.session.open_runner(self.plan, self.dataset, self.beginning.remark, self.budget)
        closing.callback(self._close, runner)
        try:
            health = healthy(runner)
        except HealthFailed as error:
            self.beginning.write()
            self.recorder.record(EventType.HEALTH_FAIL, {"error": error.as_payload()})
            raise
        told = {"message": health.message, "details": dict(health.details)}
        return runner, {**told, "fingerprint": measured(runner.fingerprint())}

    def _executor(self) -> Executor:
        experiment = self.plan.experiment
        request = ExecutorRequest(experiment.concurrency, experiment.unit_timeout_s)
        return self.session.calls.executor(request)

    def _context(self, runner: Runner, executor: Executor) -> RunContext:
        objective = self.plan.experiment.objective.maximize
        queries = {query.query_id: query for query in self.dataset.judged_queries()}
        ask = evaluator(runner, self.plan, queries, self.budget)
        return RunContext(
            run_id=self.run_id,
            home=self.session.home,
            plan=self.plan,
            dataset=self.dataset,
            description=self.session.description,
            runner=runner,
            units=self.sitting.units(self.session.home, self.plan, executor, ask, self.budget),
            calls=self.session.calls,
            recorder=self.recorder,
            scorer=Scorer(metric_names(objective), self.dataset.qrels),
            budget=self.budget,
            queries=queries,
        )

    def _fail_stage(self, cause: Exception) -> None:
        state = self.recorder.state
        if state.stage and state.stages[state.stage].status == "running":
            event = EventType(f"{state.stage.upper()}_FAILED")
            self.recorder.record_safely(event, {"error": describe_error(cause)})

    def _end(self, event_type: EventType, payload: Mapping[str, Any]) -> None:
        self.beginning.write_safely()  # whatever came in between: a readable story
        self.recorder.record_safely(event_type, {**self._ending(), **payload})

    def _ending(self) -> dict[str, Any]:
        seconds, requests = time.monotonic() - self.began, self.requests
        rate = seconds / requests if requests else None
        return {"seconds": round(seconds, 3), "seconds_per_request": rate}

    def _tell(self, error: BaseException | None) -> Outcome:
        """Report, remember, say goodbye. A failing disk here still gives the user an answer."""
        if self.sitting.is_resumed:
            self.recorder.refold()  # all sittings together, as anybody reads it later
        report = build_report(self.recorder.state)
        folder = self.session.home.report_folder(self.run_id)
        code = exit_code_of(self.recorder.state)
        try:
            trouble = write_artifacts(self.session.calls, report, folder, self.recorder)
        except KeyboardInterrupt:
            hint = f"Write them with: orchestra report {self.run_id}"
            error = error or RunCancelled("interrupted while artifacts were written", hint=hint)
            code, trouble = RunCancelled.exit_code, None
        if trouble is not None and code == 0:
            error, code = trouble, trouble.exit_code
        described = describe_error(error) if error else None
        self.session.calls.run_finished(FinishedRun(self.run_id, report.status, code, described))
        self.recorder.close()
        try:
            if self.session.home.has_run(self.run_id):
                remember(self.session.home, self.run_id)
        except StorageError as failure:
            error, code = error or failure, code or failure.exit_code
        return Outcome(report, code, tuple(folder.written), error)

    def _count(self, event: Event, _state: RunState) -> None:
        """What this sitting alone sent."""
        if event.event_type in UNITS and "reused_from" not in event.payload:
            self.requests += event.payload["requests"]

    def _tell_plugins(self, event: Event, _state: RunState) -> None:
        if not self.session.host.providers("orchestra_event"):
            return
        # A copy, so that no observer can change what the run goes by.
        payload = copy.deepcopy(dict(event.payload))
        self.session.calls.event(
            EventNotice(event.run_id, event.seq, event.event_type, payload, event.created_at)
        )

    def _plugin_error(self, error: OrchestraError) -> None:
        self.recorder.record_safely(EventType.PLUGIN_ERROR, {"error": error.as_payload()})


def _cancelled(interrupt: BaseException, hint: str) -> RunCancelled:
    if isinstance(interrupt, RunCancelled):
        return interrupt
    return RunCancelled("interrupted by the user", hint=hint)


def _failure(error: BaseException) -> dict[str, Any]:
    code = error.exit_code if isinstance(error, OrchestraError) else OrchestraError.exit_code
    return {"error": describe_error(error), "exit_code": code}
