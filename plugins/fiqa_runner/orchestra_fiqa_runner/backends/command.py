"""The backend `command`: a program of the user's own, run without a shell."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestra_core.names import make_run_id
from orchestra_fiqa_runner.command.runner import CommandRunner, check_command
from orchestra_fiqa_runner.settings import FiqaSettings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orchestra_core.experiment import Experiment
    from orchestra_core.payloads import RunnerRequest
    from orchestra_core.plan import Configuration


def check(
    experiment: Experiment, settings: FiqaSettings, configurations: Iterable[Configuration]
) -> None:
    """Raises ExperimentError without a program."""
    del settings, configurations
    check_command(experiment.runner.runner_cmd)


def open_backend(request: RunnerRequest) -> CommandRunner:
    """A runner whose RUNS_DIR is `.runs/command-…/`, new for each run; nothing is started yet.

    Raises ExperimentError without a program, AddressRefused where `runner.base_url` may not be asked.
    """
    section = request.experiment.runner
    check_command(section.runner_cmd)
    if section.base_url:  # the program asks it by itself, but only where this run may ask at all
        request.open_door().close()
    settings = request.settings if isinstance(request.settings, FiqaSettings) else FiqaSettings()
    root = request.runs_dir or request.cache_dir
    return CommandRunner(
        request.experiment,
        request.dataset,
        settings.command,
        (root / make_run_id("command")).absolute(),
        section.base_url or "",
    )
