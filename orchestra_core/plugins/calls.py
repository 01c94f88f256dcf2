"""One typed caller per hook: the only place where hooks are called.

Implementations are called one by one, so that every error names plugin, version and hook, and each
payload carries the settings of the plugin that receives it. How several answers combine is decided
here and documented in `hookspecs`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, TypeVar

from orchestra_core.datasets import DatasetSource
from orchestra_core.errors import DuplicateName, HookError, OrchestraError, StorageError
from orchestra_core.payloads import (
    CommandRegistry,
    DescribeRequest,
    EventNotice,
    Executor,
    ExecutorRequest,
    FinishedRun,
    GuardEvidence,
    LoadReportRequest,
    Payload,
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
from orchestra_core.plugins.answers import (
    EXECUTOR_METHODS,
    RUNNER_METHODS,
    Origin,
    as_list,
    attributed,
    denial,
    storage_error_in,
)
from orchestra_core.plugins.manager import PluginHost
from orchestra_core.report import Decision, Ruling
from orchestra_core.runner import Runner, RunnerDescription

Named = TypeVar("Named", DatasetSource, Tool)
MUTE_AFTER = 3


@dataclass
class HookCalls:
    """Calls the hooks of one host. `on_error` hears of errors that do not stop the run."""

    host: PluginHost
    on_error: Callable[[OrchestraError], None] = lambda _error: None
    _strikes: dict[str, int] = field(default_factory=dict)

    def datasets(self) -> dict[str, DatasetSource]:
        """All dataset sources by name, their errors attributed. Raises DuplicateName, HookError."""
        hook = "orchestra_datasets"
        merged = self._merged(hook, None, DatasetSource)
        return {n: attributed(source, self._origin(p, hook)) for n, (p, source) in merged.items()}

    def describe_runner(self, plugin: str, request: DescribeRequest) -> RunnerDescription:
        """What the chosen runner plugin says of itself. Raises HookError."""
        answer = self._call_one(plugin, "orchestra_describe_runner", request)
        return self._origin(plugin, "orchestra_describe_runner").expect(answer, RunnerDescription)

    def plan(self, request: PlanRequest) -> Plan:
        """The first planner's plan. Raises HookError."""
        origin, answer = self._first("orchestra_plan", request)
        return origin.expect(answer, Plan)

    def runner(self, plugin: str, request: RunnerRequest) -> Runner:
        """The chosen plugin's runner, open. Raises HookError, or the runner's own error."""
        answer = self._call_one(plugin, "orchestra_runner", request)
        origin = self._origin(plugin, "orchestra_runner")
        runner: Runner = origin.expect_methods(answer, RUNNER_METHODS)
        return runner

    def executor(self, request: ExecutorRequest) -> Executor:
        """The first executor offered. Raises HookError."""
        origin, answer = self._first("orchestra_executor", request)
        executor: Executor = origin.expect_methods(answer, EXECUTOR_METHODS)
        return executor

    def reflect(self, evidence: RungEvidence) -> list[Decision]:
        """Every plugin's decisions; an implementation that raises counts as `keep`."""
        decisions: list[Decision] = []
        for plugin, answer in self._safely("orchestra_reflect", evidence):
            for item in as_list(answer):
                if self._is_a(item, Decision, plugin, "orchestra_reflect"):
                    place = {"plugin": plugin, "stage": evidence.stage, "rung": evidence.rung}
                    decisions.append(item.model_copy(update=place))
        return decisions

    def guard(self, evidence: GuardEvidence) -> list[Ruling]:
        """Every plugin's rulings; an implementation that raises denies (fail closed)."""
        rulings: list[Ruling] = []
        for plugin in self._plugins("orchestra_guard"):
            try:
                answer = as_list(self._call_one(plugin, "orchestra_guard", evidence))
                for item in answer:
                    self._origin(plugin, "orchestra_guard").expect(item, Ruling)
                rulings += [item.model_copy(update={"plugin": plugin}) for item in answer]
            except OrchestraError as error:
                self._report(error, plugin, "orchestra_guard")
                rulings.append(denial(plugin, error))
        return rulings

    def policy_plugins(self) -> list[str]:
        """Plugins that apply policies, in the order they are called.

        Not those whose settings have a key `policy` that is null: they have none to apply.
        """
        settings = self.host.settings
        named = self._plugins("orchestra_apply_policy")
        return [n for n in named if getattr(settings.get(n), "policy", True) is not None]

    def apply_policy(self, plugin: str, request: PolicyRequest) -> PolicyReceipt | None:
        """One plugin's policy. Raises HookError when it raises or answers wrongly."""
        answer = self._call_one(plugin, "orchestra_apply_policy", request)
        if answer is None:
            return None
        return self._origin(plugin, "orchestra_apply_policy").expect(answer, PolicyReceipt)

    def rollback_policy(self, plugin: str, intent: PolicyIntent) -> OrchestraError | None:
        """Ask one plugin to undo; why it did not, which is recorded too, where it raised or cannot."""
        try:
            self._call_one(plugin, "orchestra_rollback_policy", intent)
        except OrchestraError as error:
            self._report(error, plugin, "orchestra_rollback_policy")
            return error
        return None

    def report(self, request: ReportRequest) -> StorageError | None:
        """Every reporter, each isolated from the others' errors; returns a disk's error, if any."""
        return self._write("orchestra_report", request)

    def load_report(self, request: LoadReportRequest) -> StorageError | None:
        """The same for a search over rates."""
        return self._write("orchestra_load_report", request)

    def event(self, notice: EventNotice) -> None:
        """Every observer; one that raised three times is muted, which is told."""
        for plugin in self._plugins("orchestra_event"):
            if self._strikes.get(plugin, 0) >= MUTE_AFTER:
                continue
            try:
                self._call_one(plugin, "orchestra_event", notice)
            except OrchestraError as error:
                strikes = self._strikes[plugin] = self._strikes.get(plugin, 0) + 1
                self._report(error, plugin, "orchestra_event")
                if strikes == MUTE_AFTER:
                    self.on_error(self._origin(plugin, "orchestra_event").muted(strikes))

    def run_finished(self, run: FinishedRun) -> None:
        """The last call of a run."""
        for _ in self._safely("orchestra_run_finished", run):
            pass

    def commands(self, add: Callable[[str, Any], None]) -> None:
        """Let every plugin add its click commands, by plugin. Raises HookError, DuplicateName."""
        for plugin in self._plugins("orchestra_commands"):
            try:
                registry = CommandRegistry(partial(add, plugin))
                self._call_one(plugin, "orchestra_commands", registry)
            except DuplicateName:
                raise
            except OrchestraError as error:
                self._give_up(plugin, error)

    def tools(self, context: ToolContext) -> dict[str, Tool]:
        """All tools by name. Raises DuplicateName, HookError."""
        merged = self._merged("orchestra_tools", context, Tool)
        return {name: tool for name, (_, tool) in merged.items()}

    def _origin(self, plugin: str, hook: str) -> Origin:
        return Origin(self.host.statuses[plugin].candidate, hook, hook)

    def _write(self, hook: str, request: ReportRequest | LoadReportRequest) -> StorageError | None:
        trouble: StorageError | None = None
        for plugin in self._plugins(hook):
            try:
                answer = as_list(self._call_one(plugin, hook, request))
                known = request.artifacts.written
                known.extend(str(name) for name in answer if name not in known)
            except OrchestraError as error:
                self._report(error, plugin, hook)
                trouble = trouble or storage_error_in(error)
        return trouble

    def _plugins(self, hook: str) -> list[str]:
        """Plugins with that hook in the order of pluggy: last registered first."""
        caller = getattr(self.host.manager.hook, hook)
        return [implementation.plugin_name for implementation in reversed(caller.get_hookimpls())]

    def _call_one(self, plugin: str, hook: str, payload: Payload | None) -> Any:
        caller = getattr(self.host.manager.hook, hook)
        for implementation in caller.get_hookimpls():
            if implementation.plugin_name == plugin:
                try:
                    return _invoke(implementation, self._addressed(plugin, payload))
                except OrchestraError:
                    raise
                except (Exception, SystemExit) as error:
                    raise self._origin(plugin, hook).failed(error) from error
        raise HookError(f"plugin '{plugin}' does not implement {hook}")

    def _addressed(self, plugin: str, payload: Payload | None) -> Payload | None:
        settings = self.host.settings.get(plugin)
        if payload is None or settings is None:
            return payload
        return replace(payload, settings=settings)

    def _first(self, hook: str, payload: Payload) -> tuple[Origin, Any]:
        for plugin in self._plugins(hook):
            answer = self._call_one(plugin, hook, payload)
            if answer is not None:
                return self._origin(plugin, hook), answer
        raise HookError(f"no plugin answered {hook}", hint="The core's own plugin should be loaded.")

    def _merged(
        self, hook: str, payload: Payload | None, expected: type[Named]
    ) -> dict[str, tuple[str, Named]]:
        merged: dict[str, tuple[str, Named]] = {}
        for plugin in self._plugins(hook):
            for item in self._items(plugin, hook, payload, expected):
                if item.name in merged:
                    raise DuplicateName(
                        f"both '{merged[item.name][0]}' and '{plugin}' provide '{item.name}' in {hook}",
                        hint=f"Switch one off, such as --plugins no:{plugin}",
                    )
                merged[item.name] = (plugin, item)
        return dict(sorted(merged.items()))

    def _items(
        self, plugin: str, hook: str, payload: Payload | None, expected: type[Named]
    ) -> list[Named]:
        try:
            answer = as_list(self._call_one(plugin, hook, payload))
            return [self._origin(plugin, hook).expect(item, expected) for item in answer]
        except OrchestraError as error:
            self._give_up(plugin, error)
            return []

    def _give_up(self, plugin: str, error: OrchestraError) -> None:
        """Unload a plugin that failed in a surface hook; fatal when it was asked for by name."""
        self.host.unload(plugin, error)
        self.on_error(error)
        if self.host.is_required(plugin):
            raise error

    def _safely(self, hook: str, payload: Payload) -> Iterator[tuple[str, Any]]:
        for plugin in self._plugins(hook):
            try:
                yield plugin, self._call_one(plugin, hook, payload)
            except OrchestraError as error:
                self._report(error, plugin, hook)

    def _is_a(self, item: Any, expected: type[Any], plugin: str, hook: str) -> bool:
        try:
            self._origin(plugin, hook).expect(item, expected)
        except HookError as error:
            self._report(error, plugin, hook)
            return False
        return True

    def _report(self, error: OrchestraError, plugin: str, hook: str) -> None:
        told = error if isinstance(error, HookError) else self._origin(plugin, hook).failed(error)
        self.on_error(told)


def _invoke(implementation: Any, payload: Payload | None) -> Any:
    arguments = () if payload is None else (payload,) * len(implementation.argnames)
    return implementation.function(*arguments)
