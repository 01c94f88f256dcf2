"""The HTTP backend: read the mapping, check that it says all, and open the door."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestra_core.errors import AddressRefused, ExperimentError
from orchestra_core.experiment import RunnerSection
from orchestra_core.outbound.addresses import parse_url
from orchestra_core.outbound.policy import Policy
from orchestra_fiqa_runner.description import parameter_names
from orchestra_fiqa_runner.http.asking import Asking
from orchestra_fiqa_runner.http.mapping import default_mapping
from orchestra_fiqa_runner.http.runner import HttpRunner
from orchestra_fiqa_runner.settings import FiqaSettings

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from orchestra_core.experiment import Experiment
    from orchestra_core.payloads import RunnerRequest
    from orchestra_core.plan import Configuration
    from orchestra_fiqa_runner.http.mapping import Mapping


def open_backend(request: RunnerRequest) -> HttpRunner:
    """A runner for the service at `runner.base_url`; nothing is sent yet.

    Raises ExperimentError where the mapping lacks something, or for an address that is not allowed.
    """
    settings = request.settings if isinstance(request.settings, FiqaSettings) else FiqaSettings()
    mapping = settings.mapping or default_mapping()
    asking = _checked(request.experiment, mapping, request.configurations)
    return HttpRunner(
        request.open_door(),
        mapping,
        asking,
        request.configurations,
        _endpoints(request.experiment, mapping),
        request.dataset.corpus,
    )


def check(
    experiment: Experiment, settings: FiqaSettings, configurations: Iterable[Configuration]
) -> None:
    """Raises ExperimentError for an address that may not be asked, or a mapping that lacks a part."""
    _checked(experiment, settings.mapping or default_mapping(), configurations)


def _checked(
    experiment: Experiment, mapping: Mapping, configurations: Iterable[Configuration]
) -> Asking:
    check_address(experiment)
    parameters = {*experiment.space, *experiment.baseline, *parameter_names()}
    asking = Asking(mapping, frozenset(parameters))
    for configuration in configurations:
        asking.check(configuration)
    _check_load(experiment)
    return asking


def check_address(experiment: Experiment) -> None:
    """Raises ExperimentError where `runner.base_url` is missing, or may not be asked."""
    section = experiment.runner
    if section.base_url is None:
        raise ExperimentError(
            "the http backend needs the address of the service",
            where="runner.base_url",
            hint="For example: --set runner.base_url=http://127.0.0.1:8000",
        )
    try:
        Policy(section.host_aliases, section.allowed_hosts).route(parse_url(section.base_url).origin)
    except AddressRefused as error:
        raise ExperimentError(error.message, where="runner.base_url", hint=error.hint) from error


def _endpoints(experiment: Experiment, mapping: Mapping) -> Sequence[str]:
    """What the user named, else what the mapping knows of its service."""
    named = experiment.runner.health_endpoints
    usual = RunnerSection.model_fields["health_endpoints"].default
    return mapping.health if named == usual and mapping.health is not None else named


def _check_load(experiment: Experiment) -> None:
    load, limit = experiment.stages.ab.load, experiment.runner.rate_limit_per_sec
    if load.mode == "open" and limit and load.rate is not None and load.rate > limit:
        raise ExperimentError(
            f"{load.rate:g} requests per second are more than runner.rate_limit_per_sec = {limit:g}",
            where="stages.ab.load.rate",
            hint="Lower the rate, or raise the limit where the target may be asked faster.",
        )
