"""Session: from what the user typed to a validated experiment with its plugins, dataset and plan.

Shared by the CLI and by programs; nothing is sent to a target here.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import platformdirs
from pydantic import ValidationError

from orchestra_core.artifacts import Home
from orchestra_core.datasets import Dataset, DatasetSource
from orchestra_core.errors import ExperimentError, HookError, RunnerSelectionError, nearest
from orchestra_core.evaluation.metrics import check_objective
from orchestra_core.experiment import Experiment, Paths
from orchestra_core.layers import DEFAULT_FILE, Layers, build_experiment, read_layers, validation_errors
from orchestra_core.outbound.allowance import anything, unlimited
from orchestra_core.payloads import DescribeRequest, PlanRequest, RunnerRequest
from orchestra_core.plan import Plan, StageName
from orchestra_core.plugins.calls import HookCalls
from orchestra_core.plugins.known import INSTALL_ALL, install_hint
from orchestra_core.plugins.manager import PluginHost, open_host
from orchestra_core.plugins.selection import Selection, parse_selection
from orchestra_core.runner import Runner, RunnerDescription
from orchestra_core.scheduling.budget import Budget

RUNNER_HOOK = "orchestra_describe_runner"


@dataclass(frozen=True)
class Request:
    """What the user typed."""

    file: Path | None = None
    """None: `orchestra.yaml` in the working folder when there is one."""
    assignments: tuple[str, ...] = ()
    """`--set` values."""
    plugins: tuple[str, ...] = ()
    """`--plugins` values."""
    strict_plugins: bool = False
    home: Path | None = None
    """None: ORCHESTRA_HOME, else the working folder."""
    environ: Mapping[str, str] | None = None
    """None: the process's own."""
    only_defaults: bool = False
    """Leave file, environment and --set aside: the runner's built-in experiment."""
    until: StageName | None = None
    """The last stage to carry out; None: all of them."""
    folder: Path | None = None
    """Where a relative path of a dataset begins; None: the working folder."""

    def asked(self, home: Home) -> dict[str, Any]:
        """What the journal keeps of it, so that a run can be resumed; paths from the home folder."""
        file = self.file or (Path(DEFAULT_FILE) if Path(DEFAULT_FILE).is_file() else None)
        return {
            "file": os.path.relpath(file.absolute(), home.root) if file else None,
            "folder": os.path.relpath(self.folder or Path.cwd(), home.root),
            "set": list(self.assignments),
            "plugins": list(self.plugins),
            "strict_plugins": self.strict_plugins,
            "only_defaults": self.only_defaults,
            "until": self.until,
        }


@dataclass(frozen=True)
class Session:
    """A complete experiment and the plugins that will carry it."""

    experiment: Experiment
    layers: Layers
    host: PluginHost
    calls: HookCalls
    runner_plugin: str
    description: RunnerDescription
    home: Home
    request: Request = Request()

    def open_dataset(self) -> Dataset:
        """The experiment's dataset. Raises DatasetUnavailable, DataError, ExperimentError."""
        place = self.layers.place(("dataset",))
        return open_dataset(self.calls, self.experiment.dataset, place, folder=self.request.folder)

    def make_plan(self, dataset: Dataset) -> Plan:
        """The plan; nothing is sent. Raises ExperimentError, HookError."""
        try:
            check_objective(self.experiment.objective.maximize, dataset.qrels)
            plan = self.calls.plan(PlanRequest(self.experiment, self.description, dataset))
            # A planner may have copied a plan with changes, which checks nothing by itself.
            plan = Plan.model_validate(plan.model_dump(), strict=False)
            return plan.up_to(self.request.until) if self.request.until else plan
        except ValidationError as error:
            problem = str(error.errors()[0]["msg"]).removeprefix("Value error, ")
            raise HookError(f"the planner's plan cannot be carried out: {problem}") from error
        except ExperimentError as error:
            # A planner knows keys; the layers know the file and line of each.
            place = self.layers.place(tuple(error.where.split(".")))
            raise ExperimentError(
                error.message, where=place, hint=error.hint, details=error.details
            ) from error

    def open_runner(
        self,
        plan: Plan,
        dataset: Dataset,
        emit: Callable[[str, Mapping[str, Any]], None] = lambda _event_type, _payload: None,
        budget: Budget | None = None,
        runs_dir: Path | None = None,
    ) -> Runner:
        """The plan's runner, open; `emit` takes what it records, `budget` says what it may send.

        `runs_dir`: where jobs are written, None for that of the home folder. Raises HookError or
        the runner's own error.
        """
        request = RunnerRequest(
            experiment=plan.experiment,
            dataset=dataset,
            configurations=(plan.baseline, *plan.configurations),
            cache_dir=cache_folder(self.runner_plugin),
            emit=emit,
            left_s=budget.left_s if budget else unlimited,
            may_send=budget.check if budget else anything,
            runs_dir=runs_dir or self.home.root / self.home.runs_dir,
        )
        return self.calls.runner(self.runner_plugin, request)


def open_session(
    request: Request,
    *,
    extra_plugins: Iterable[tuple[str, object]] = (),
    discover: bool = True,
    layers: Layers | None = None,
) -> Session:
    """Read the layers, load the plugins, choose the runner, validate everything.

    With `layers`, those are taken in place of file, environment and --set. Raises ExperimentError,
    PluginError.
    """
    environ = os.environ if request.environ is None else request.environ
    if layers is None:
        typed = (request.file, environ, request.assignments)
        layers = Layers() if request.only_defaults else read_layers(*typed)
    selection = parse_selection(request.plugins)
    host = open_host(selection, extra=extra_plugins, discover=discover, strict=request.strict_plugins)
    calls = HookCalls(host)
    runner_plugin = choose_runner(host, selection, _text(layers.get("runner", "plugin")))
    description = calls.describe_runner(
        runner_plugin,
        DescribeRequest(_text(layers.get("dataset")), _text(layers.get("runner", "backend"))),
    )
    layers = layers.over(description.defaults, f"default of runner '{description.name}'")
    experiment = build_experiment(layers)
    _check_backend(experiment, description, layers)
    host.apply_settings(experiment.plugins, layers)
    resolved = {
        "plugin": runner_plugin,
        "backend": experiment.runner.backend or description.backends[0],
    }
    runner = experiment.runner.model_copy(update=resolved)
    changes = {"plugins": _changed_settings(host), "runner": runner}
    experiment = experiment.model_copy(update=changes)
    home = open_home(request, environ, experiment)
    return Session(experiment, layers, host, calls, runner_plugin, description, home, request)


def choose_runner(host: PluginHost, selection: Selection, configured: str | None) -> str:
    """The one runner of a run: named by --plugins, else by runner.plugin, else the only one there is.

    From then on whatever fails in it is fatal. Raises RunnerSelectionError.
    """
    chosen = _chosen_runner(host, selection, configured)
    host.required.add(chosen)
    return chosen


def _chosen_runner(host: PluginHost, selection: Selection, configured: str | None) -> str:
    runners = host.providers(RUNNER_HOOK)
    named = [name for name in selection.wanted if name in runners]
    if len(named) > 1:
        raise RunnerSelectionError(
            f"two runners are asked for: {' and '.join(named)}",
            where="--plugins",
            hint="A run has exactly one runner; name one.",
        )
    if named:
        return named[0]
    if configured is not None:
        if configured in runners:
            return configured
        raise _no_such_runner(host, configured, runners)
    if len(runners) == 1:
        return runners[0]
    raise _no_single_runner(host, runners)


def open_home(
    request: Request, environ: Mapping[str, str] | None = None, experiment: Experiment | None = None
) -> Home:
    """The home folder: --home, ORCHESTRA_HOME, or the working folder.

    Without an experiment, its `paths` section is read from what the user typed. Raises
    ExperimentError.
    """
    variables = os.environ if environ is None else environ
    root = (request.home or Path(variables.get("ORCHESTRA_HOME") or ".")).expanduser().absolute()
    paths = experiment.paths if experiment else _configured_paths(request, variables)
    return Home(root, paths.reports_dir, paths.runs_dir)


def _configured_paths(request: Request, environ: Mapping[str, str]) -> Paths:
    layers = read_layers(request.file, environ, request.assignments)
    section = layers.get("paths") or {}
    with validation_errors(("paths",), section, Paths, layers):
        return Paths.model_validate(section)


def open_dataset(
    calls: HookCalls, name: str, where: str = "dataset", *, folder: Path | None = None
) -> Dataset:
    """Open a dataset by name or `scheme:rest`, a relative PATH from `folder` (the working folder).

    Raises ExperimentError for an unknown one.
    """
    source, argument = find_dataset(calls, name, where)
    if folder is None or source.argument != "PATH":
        return source.open(argument)
    # What it is called must not depend on where it is opened from.
    return replace(source.open(str(folder / Path(argument).expanduser())), name=name)


def folder_of(home: Home, started: Mapping[str, Any]) -> Path | None:
    """The folder that a run was started in, by its RUN_STARTED; None where that is not told."""
    asked = started.get("asked")
    folder = asked.get("folder") if isinstance(asked, Mapping) else None
    return Path(home.root, folder).resolve() if isinstance(folder, str) else None


def find_dataset(calls: HookCalls, name: str, where: str = "dataset") -> tuple[DatasetSource, str]:
    """The source of a dataset and what to call it with. Raises ExperimentError."""
    sources = calls.datasets()
    scheme, colon, rest = name.partition(":")
    source = sources.get(scheme if colon else name)
    if source is None or source.is_scheme != bool(colon):
        forms = [f"{s.name}:{s.argument}" if s.is_scheme else s.name for s in sources.values()]
        errors = [s.error for s in calls.host.statuses.values() if s.error is not None]
        failed = [f"It may be one of a plugin that failed: {error.message}." for error in errors]
        hints = [nearest(name, forms), "See `orchestra data list`.", *failed]
        raise ExperimentError(
            f"there is no dataset '{name}'" if name else "no dataset is named",
            where=where,
            hint=" ".join(filter(None, hints)),
        )
    return source, rest


def cache_folder(plugin: str) -> Path:
    """The folder of the user's cache that one plugin writes to; ORCHESTRA_CACHE_DIR moves it."""
    configured = os.environ.get("ORCHESTRA_CACHE_DIR")
    root = Path(configured) if configured else Path(platformdirs.user_cache_dir("orchestra"))
    return root / "plugins" / plugin


def _check_backend(experiment: Experiment, description: RunnerDescription, layers: Layers) -> None:
    backend = experiment.runner.backend
    if backend is not None and backend not in description.backends:
        listed = ", ".join(description.backends)
        raise ExperimentError(
            f"runner '{description.name}' has no backend '{backend}'",
            where=layers.place(("runner", "backend")),
            hint=f"It has: {listed}.",
        )


def _changed_settings(host: PluginHost) -> dict[str, dict[str, object]]:
    """What differs from each plugin's defaults: written out or left out, a default plans the same."""
    changed = {n: m.model_dump(mode="json", exclude_defaults=True) for n, m in host.settings.items()}
    return {name: section for name, section in sorted(changed.items()) if section}


def _no_such_runner(host: PluginHost, configured: str, runners: Sequence[str]) -> RunnerSelectionError:
    failed = host.statuses.get(configured)
    if failed is not None and failed.error is not None:
        return RunnerSelectionError(failed.error.message, where="runner.plugin", hint=failed.error.hint)
    hint = install_hint(configured) or nearest(configured, runners)
    return RunnerSelectionError(
        f"there is no runner plugin '{configured}'", where="runner.plugin", hint=hint
    )


def _no_single_runner(host: PluginHost, runners: Sequence[str]) -> RunnerSelectionError:
    if runners:
        return RunnerSelectionError(
            f"several runners are installed: {', '.join(runners)}",
            hint=f"Name one: --plugins {runners[0]}, or runner.plugin in the experiment.",
        )
    failed = [s for s in host.statuses.values() if s.error is not None]
    if failed and failed[0].error is not None:
        return RunnerSelectionError(
            f"no runner plugin is loaded; {failed[0].error.message}", hint=failed[0].error.hint
        )
    return RunnerSelectionError(
        "no runner plugin is installed, so there is nothing to ask a target with",
        hint=f"Install one, for example: {INSTALL_ALL}",
    )


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
