"""Everything that `orchestra diag` looks at, in the order in which a run would need it."""

from __future__ import annotations

import os
from collections.abc import Iterable

from orchestra_core.artifacts import Home
from orchestra_core.datasets import Dataset
from orchestra_core.diagnosing.configuration import AREA, tell_layers, tell_plugins
from orchestra_core.diagnosing.findings import Diagnosis
from orchestra_core.diagnosing.home import tell_home
from orchestra_core.diagnosing.network import tell_network
from orchestra_core.diagnosing.target import SKIPPED, tell_target
from orchestra_core.errors import ExperimentError, GuardDenied, PluginError
from orchestra_core.estimate import estimate
from orchestra_core.experiment import Experiment, Paths
from orchestra_core.layers import Layers, read_layers
from orchestra_core.payloads import GuardEvidence
from orchestra_core.plan import Plan
from orchestra_core.plugins.manager import open_host
from orchestra_core.plugins.selection import parse_selection
from orchestra_core.session import Request, Session, open_home, open_session
from orchestra_core.telling.units import counted, duration

Plugins = Iterable[tuple[str, object]]


def diagnose(request: Request, *, extra_plugins: Plugins = (), discover: bool = True) -> Diagnosis:
    """Look at configuration, plugins, network, dataset, target and home folder; raises nothing.

    Asks the target's health and five queries. Writes nothing to the home folder; a runner may fill its
    own cache, as it would in a run.
    """
    found, extra = Diagnosis(), list(extra_plugins)
    session = _session(found, request, extra, discover)
    if session is None:
        found.skip("the configuration is not whole", *SKIPPED)
        with found.noting("home", "folder"):
            tell_home(found, _home(request))
        return found
    environ = os.environ if request.environ is None else request.environ
    before = len(found.failures)
    tell_network(found, session.experiment.runner, environ)
    dataset, plan = _plan(found, session)
    if dataset is None or plan is None:
        found.skip("there is no plan", *SKIPPED)
    elif len(found.failures) > before:
        found.skip("what is above must be put right first", *SKIPPED)
    else:
        tell_target(found, session, dataset, plan)
    tell_home(found, session.home)
    return found


def _session(
    found: Diagnosis, request: Request, extra: list[tuple[str, object]], discover: bool
) -> Session | None:
    environ = os.environ if request.environ is None else request.environ
    layers = None
    with found.noting(AREA, "layers"):
        layers = Layers() if request.only_defaults else _layers(request)
    if layers is None:
        _plugins_alone(found, request, extra, discover)
        return None
    try:
        session = open_session(request, extra_plugins=extra, discover=discover, layers=layers)
    except (Exception, SystemExit) as error:
        tell_layers(found, request, layers, environ)
        _plugins_alone(found, request, extra, discover)
        if not (isinstance(error, PluginError) and found.failures):  # else it is told already
            found.fail("plugins" if isinstance(error, PluginError) else AREA, "experiment", error)
        return None
    tell_layers(found, request, session.layers, environ)
    backend = session.experiment.runner.backend
    found.add(AREA, "experiment", "ok", f"{session.experiment.name}, backend {backend}")
    tell_plugins(found, session.host.statuses.values(), session.runner_plugin)
    return session


def _layers(request: Request) -> Layers:
    environ = os.environ if request.environ is None else request.environ
    layers = read_layers(request.file, environ, request.assignments)
    _ = layers.values  # a key below a plain value shows only now
    return layers


def _plugins_alone(
    found: Diagnosis, request: Request, extra: list[tuple[str, object]], discover: bool
) -> None:
    with found.noting("plugins", "loading"):
        selection = parse_selection(request.plugins)
        host = open_host(selection, extra=extra, discover=discover, strict=request.strict_plugins)
        tell_plugins(found, host.statuses.values())


def _plan(found: Diagnosis, session: Session) -> tuple[Dataset | None, Plan | None]:
    dataset, plan = None, None
    with found.noting("dataset", session.experiment.dataset or "none"):
        dataset = session.open_dataset()
        judged = counted(len(dataset.judged_queries()), "labelled query", "labelled queries")
        told = f"{counted(len(dataset.corpus), 'document')}, {judged}"
        found.add("dataset", dataset.name, "ok", told)
    if dataset is None:
        return None, None
    with found.noting("dataset", "plan"):
        plan = session.make_plan(dataset)
        _check_guards(session, plan)
        guess = estimate(session, plan)
        number = counted(len(plan.configurations), "configuration")
        took = duration(guess.seconds)
        told = f"{number}, at most {plan.requests:,} requests, about {took} ({guess.basis})"
        found.add("dataset", "plan", "warn" if guess.warning else "ok", told, guess.warning)
        return dataset, plan
    return dataset, None


def _check_guards(session: Session, plan: Plan) -> None:
    """Raise GuardDenied where a run would be denied before it began."""
    denied = [r for r in session.calls.guard(GuardEvidence("plan", "", plan)) if r.kind == "deny"]
    if denied:
        told = "; ".join(f"{r.plugin} ({r.rule}): {r.reason}" for r in denied)
        raise GuardDenied(f"the plan is denied by {told}", hint=denied[0].hint)


def _home(request: Request) -> Home:
    """The home folder; with the usual folders in it where its own names cannot be read."""
    try:
        return open_home(request)
    except ExperimentError:
        return open_home(request, experiment=Experiment.model_construct(paths=Paths()))
