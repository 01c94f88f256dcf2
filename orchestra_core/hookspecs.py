"""Every hook of Orchestra on one page: the whole contract with plugins.

A plugin is a module (or object) with functions of these names, marked with
`orchestra_core.hookimpl`. Implementations are called one by one, the last registered first
(`tryfirst` and `trylast` are honoured, wrappers are refused), so that every error can be attributed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from pydantic import BaseModel

    from orchestra_core.datasets import DatasetSource
    from orchestra_core.payloads import (
        CommandRegistry,
        DescribeRequest,
        EventNotice,
        Executor,
        ExecutorRequest,
        FinishedRun,
        GuardEvidence,
        LoadReportRequest,
        PlanRequest,
        PolicyIntent,
        PolicyReceipt,
        PolicyRequest,
        ReportRequest,
        RungEvidence,
        RunnerRequest,
        Tool,
        ToolContext,
    )
    from orchestra_core.plan import Plan
    from orchestra_core.report import Decision, Ruling
    from orchestra_core.runner import Runner, RunnerDescription

PROJECT = "orchestra"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


# ---------------------------------------------------------------------------------------------------
# Settings
# ---------------------------------------------------------------------------------------------------


@hookspec
def orchestra_settings() -> type[BaseModel] | None:
    """The model of this plugin's section under `plugins:` in the experiment.

    When: once, as the plugin is loaded. Returns: a pydantic model class that forbids unknown keys and
    has a default for every key; the validated instance is `settings` of every later payload.
    Combination: one model per plugin. Raises: the plugin is not loaded.

        @hookimpl
        def orchestra_settings():
            return MySettings
    """


# ---------------------------------------------------------------------------------------------------
# Plan
# ---------------------------------------------------------------------------------------------------


@hookspec
def orchestra_datasets() -> Sequence[DatasetSource]:  # type: ignore[empty-body]
    """Datasets that can be named in the experiment.

    When: as a dataset is looked up. Returns: sources; opening one may be slow, naming it must not be.
    Combination: merged; two sources of one name are fatal. Raises: the plugin is not loaded.

        @hookimpl
        def orchestra_datasets():
            return [DatasetSource("faq", "Our FAQ", open=lambda _: read_faq())]
    """


@hookspec
def orchestra_describe_runner(request: DescribeRequest) -> RunnerDescription:  # type: ignore[empty-body]
    """Name, backends, parameters and defaults of the runner that this plugin has.

    When: before the plan; a plugin that implements this *is* a runner plugin and must implement
    `orchestra_runner` too. Returns: a description; nothing heavy may be imported for it.
    Combination: only the run's own runner is asked. Raises: the run is refused.

        @hookimpl
        def orchestra_describe_runner(request):
            return RunnerDescription("faq", parameters=(Parameter("top_k", "Results", "integer"),))
    """


@hookspec
def orchestra_plan(request: PlanRequest) -> Plan | None:
    """Replace the default planner.

    When: once a run or dry run, after the dataset is open. Returns: a whole plan, or None to leave it
    to others. Combination: the first result; the core's own planner comes last. Raises: the run is
    refused.

        @hookimpl
        def orchestra_plan(request):
            return halton_plan(request) if request.experiment.name.startswith("halton") else None
    """


# ---------------------------------------------------------------------------------------------------
# Run
# ---------------------------------------------------------------------------------------------------


@hookspec
def orchestra_runner(request: RunnerRequest) -> Runner:  # type: ignore[empty-body]
    """Open the runner of a run.

    When: after the plan was accepted, before the health check. Returns: an open `Runner`.
    Combination: exactly one plugin is asked, the one chosen by name. Raises: the run is refused.

        @hookimpl
        def orchestra_runner(request):
            return FaqRunner(request.dataset)
    """


@hookspec
def orchestra_executor(request: ExecutorRequest) -> Executor | None:
    """Bring another executor than the core's threads.

    When: once a run, before the first unit. Returns: an executor, or None. Combination: the first
    result. Raises: the run is refused.

        @hookimpl
        def orchestra_executor(request):
            return ClusterExecutor(request.concurrency)
    """


# ---------------------------------------------------------------------------------------------------
# Reflect
# ---------------------------------------------------------------------------------------------------


@hookspec
def orchestra_reflect(evidence: RungEvidence) -> Sequence[Decision] | Decision | None:
    """Judge a rung: go on, shrink the field, or stop.

    When: after the smoke stage and after each rung of the grid. Returns: one decision, several, or
    None (no opinion). Combination: all are recorded; the most severe wins (early_stop > shrink >
    keep); several shrinks intersect. Raises: counts as `keep`, and the error is recorded.

        @hookimpl
        def orchestra_reflect(evidence):
            return Decision(kind="keep", rule="patience", reason="too early to tell")
    """


# ---------------------------------------------------------------------------------------------------
# Guard
# ---------------------------------------------------------------------------------------------------


@hookspec
def orchestra_guard(evidence: GuardEvidence) -> Sequence[Ruling] | Ruling | None:
    """Allow, warn or deny.

    When: before anything is sent (`point="plan"`) and before a winner is published
    (`point="publish"`). Returns: rulings, or None. Combination: any deny wins. Raises: **deny**.

        @hookimpl
        def orchestra_guard(evidence):
            if evidence.point == "publish" and is_friday():
                return Ruling(kind="deny", rule="friday", reason="nothing is published on Fridays")
    """


@hookspec
def orchestra_apply_policy(winner: PolicyRequest) -> PolicyReceipt | None:
    """Put a published winner into force.

    When: a win that no guard denied, and `orchestra policy apply`; may be called again for the same
    winner. A plugin whose settings have a key `policy` that is null is not asked. Returns: a receipt
    that says whether the policy was read back and found equal. Combination: all, in order; each is
    verified before the next. Raises (or not verified): all that were applied are rolled back, then
    the run fails.

        @hookimpl
        def orchestra_apply_policy(winner):
            winner.intend({"previous": store.get()})
            store.put(winner.winner.parameters)
            return PolicyReceipt(store.get() == winner.winner.parameters, "stored")
    """


@hookspec
def orchestra_rollback_policy(intent: PolicyIntent) -> None:
    """Undo what your `orchestra_apply_policy` did.

    When: applying failed, here or in a later plugin, and `orchestra policy rollback`. Returns:
    nothing, once it has made sure that what was there before is there again. Combination: only
    plugins that were asked to apply, in reverse order. Raises: recorded; the others are still rolled
    back.

        @hookimpl
        def orchestra_rollback_policy(intent):
            if intent.undo:
                store.put(intent.undo["previous"])
    """


# ---------------------------------------------------------------------------------------------------
# Report
# ---------------------------------------------------------------------------------------------------


@hookspec
def orchestra_report(request: ReportRequest) -> Sequence[str] | None:
    """Write artifacts from the report.

    When: at the end of every run, failed ones too, and on `orchestra report`. Returns: nothing, or
    names of files written by other means than `request.artifacts`. Combination: each is isolated.
    Raises: recorded; the other reporters go on.

        @hookimpl
        def orchestra_report(request):
            request.artifacts.write_text("slack.txt", request.report.status)
    """


@hookspec
def orchestra_load_report(request: LoadReportRequest) -> Sequence[str] | None:
    """Write artifacts from a search for the highest rate a target bears.

    When: at the end of every `orchestra load --find-max-qps` that measured at least one rate, also of
    one that was interrupted; `latency_rate.json` is written. Returns: nothing, or names of files
    written by other means than `request.artifacts`. Combination: each is isolated. Raises: told to
    the user; the other reporters go on.

        @hookimpl
        def orchestra_load_report(request):
            request.artifacts.write_text("rate.txt", str(request.report.highest_rate))
    """


# ---------------------------------------------------------------------------------------------------
# Observe
# ---------------------------------------------------------------------------------------------------


@hookspec
def orchestra_event(event: EventNotice) -> None:
    """Watch the journal grow.

    When: after each event was written. Returns: nothing; must not mutate and must not block.
    Combination: all. Raises: the plugin is muted after 3 errors, which is recorded.

        @hookimpl
        def orchestra_event(event):
            counter[event.event_type] += 1
    """


@hookspec
def orchestra_run_finished(run: FinishedRun) -> None:
    """The run is over, however it ended.

    When: always, as the last call. Returns: nothing. Combination: all. Raises: recorded.

        @hookimpl
        def orchestra_run_finished(run):
            notify(run.run_id, run.status)
    """


# ---------------------------------------------------------------------------------------------------
# Surface
# ---------------------------------------------------------------------------------------------------


@hookspec
def orchestra_commands(cli: CommandRegistry) -> None:
    """Add commands to the CLI.

    When: a command is asked for that the core does not have (so `orchestra --help` stays fast).
    Returns: nothing. Combination: all; a duplicate name is fatal. Raises: the plugin is not loaded.

        @hookimpl
        def orchestra_commands(cli):
            cli.add(faq_command)
    """


@hookspec
def orchestra_tools(context: ToolContext) -> Sequence[Tool]:  # type: ignore[empty-body]
    """Offer tools to servers, such as an MCP server.

    When: a server starts. Returns: tools. Combination: all; a duplicate name is fatal. Raises: the
    plugin is not loaded.

        @hookimpl
        def orchestra_tools(context):
            return [Tool("faq_search", "Search the FAQ", SearchArguments, search)]
    """
