"""The runner's backends by name: one module each, imported when a run asks for it.

A module here has a public function `open_backend(request: RunnerRequest) -> Runner`; and, where what is
known without asking anybody may stand against a run, `check(experiment, settings, configurations)`.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

from orchestra_core.errors import ExperimentError, nearest
from orchestra_core.parameters import baseline_configuration, expand

if TYPE_CHECKING:
    from orchestra_core.payloads import PlanRequest, RunnerRequest
    from orchestra_core.runner import Runner
    from orchestra_fiqa_runner.settings import FiqaSettings


@dataclass(frozen=True, slots=True)
class Backend:
    """What is known of a backend before its module is imported."""

    name: str
    """Also the name of its module in this package."""
    parameters: tuple[str, ...] | None
    """The parameters that it understands; None: all of the runner's own."""
    shares_work: bool
    """Whether `evaluate` is cheaper with many configurations at once."""
    rate_limited: bool
    """Whether `runner.rate_limit_per_sec` counts."""
    seconds_per_request: float
    """A guess, for `orchestra plan` before any run was measured."""
    open_parameters: bool = False
    """Whether further parameters are passed on as they are."""
    has_check: bool = True
    """Whether its module has a function `check`."""


_ENGINE = ("collection", "top_k", "alpha", "mmr", "ef_search")
_TABLE = (
    Backend(
        "embedded",
        None,
        shares_work=True,
        rate_limited=False,
        seconds_per_request=0.002,
        has_check=False,
    ),
    Backend(
        "pgvector",
        (*_ENGINE, "fusion", "rrf_k"),
        shares_work=True,
        rate_limited=False,
        seconds_per_request=0.01,
    ),
    Backend(
        "http",
        None,
        shares_work=False,
        rate_limited=True,
        seconds_per_request=0.05,
        open_parameters=True,
    ),
    Backend(
        "command",
        _ENGINE,
        shares_work=False,
        rate_limited=False,
        seconds_per_request=0.1,
        open_parameters=True,
    ),
)
BACKENDS = {backend.name: backend for backend in _TABLE}
"""In the order told to users; the first one is the default."""
DEFAULT = _TABLE[0].name


def backend_named(name: str | None) -> Backend:
    """A backend by name; None: the default. Raises ExperimentError for an unknown one."""
    backend = BACKENDS.get(name or DEFAULT)
    if backend is None:
        raise ExperimentError(
            f"the fiqa runner has no backend '{name}'",
            where="runner.backend",
            hint=f"{nearest(name or '', BACKENDS)} Leave the key out for '{DEFAULT}'.",
        )
    return backend


def check_plan(request: PlanRequest, settings: FiqaSettings) -> None:
    """Raises OrchestraError where the backend could not be opened for the plan's configurations."""
    experiment, description = request.experiment, request.description
    backend = backend_named(experiment.runner.backend)
    if backend.has_check:
        baseline = baseline_configuration(experiment, description)
        module = import_module(f"{__name__}.{backend.name}")
        module.check(experiment, settings, (baseline, *expand(experiment, description)))


def open_backend(request: RunnerRequest) -> Runner:
    """The runner of the backend that the experiment names. Raises ExperimentError."""
    backend = backend_named(request.experiment.runner.backend)
    module = import_module(f"{__name__}.{backend.name}")
    runner: Runner = module.open_backend(request)
    return runner
