"""Hook implementations of the `fiqa` plugin; whatever is heavy is imported inside them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestra_core.hookspecs import hookimpl

if TYPE_CHECKING:
    from collections.abc import Sequence

    from orchestra_core.datasets import DatasetSource
    from orchestra_core.payloads import (
        CommandRegistry,
        DescribeRequest,
        PlanRequest,
        PolicyIntent,
        PolicyReceipt,
        PolicyRequest,
        RunnerRequest,
    )
    from orchestra_core.runner import Runner, RunnerDescription
    from orchestra_fiqa_runner.settings import FiqaSettings


@hookimpl
def orchestra_settings() -> type[FiqaSettings]:
    """Prices and engine dials."""
    from orchestra_fiqa_runner.settings import FiqaSettings

    return FiqaSettings


@hookimpl
def orchestra_datasets() -> Sequence[DatasetSource]:
    """`fiqa-mini` and `boolq`."""
    from orchestra_fiqa_runner.data.sources import dataset_sources

    return dataset_sources()


@hookimpl
def orchestra_describe_runner(request: DescribeRequest) -> RunnerDescription:
    """The backend's parameters and the default experiment."""
    from orchestra_fiqa_runner.description import describe

    return describe(request.dataset, request.backend)


@hookimpl(tryfirst=True)
def orchestra_plan(request: PlanRequest) -> None:
    """Refuse what its backend could not be opened with; the plan is left to others."""
    from orchestra_fiqa_runner.collections import check_experiment
    from orchestra_fiqa_runner.description import RUNNER_NAME
    from orchestra_fiqa_runner.settings import FiqaSettings

    if isinstance(request.settings, FiqaSettings) and request.settings.policy is not None:
        from orchestra_fiqa_runner.policy import check

        check(request.experiment, request.settings.policy)
    if request.description.name == RUNNER_NAME:
        check_experiment(request.experiment)
        from orchestra_fiqa_runner.backends import check_plan

        settings = request.settings if isinstance(request.settings, FiqaSettings) else FiqaSettings()
        check_plan(request, settings)


@hookimpl
def orchestra_runner(request: RunnerRequest) -> Runner:
    """Open the backend that the experiment names."""
    from orchestra_fiqa_runner.backends import open_backend

    return open_backend(request)


@hookimpl
def orchestra_apply_policy(winner: PolicyRequest) -> PolicyReceipt | None:
    """Write the winner to the file or service of `plugins.fiqa.policy`."""
    from orchestra_fiqa_runner.policy import apply

    return apply(winner)


@hookimpl
def orchestra_rollback_policy(intent: PolicyIntent) -> None:
    """Put back what stood there before."""
    from orchestra_fiqa_runner.policy import roll_back

    roll_back(intent)


@hookimpl
def orchestra_commands(cli: CommandRegistry) -> None:
    """`orchestra fiqa serve` and `orchestra fiqa load`."""
    from orchestra_fiqa_runner.commands import command

    cli.add(command)
