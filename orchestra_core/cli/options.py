"""Options that several commands share, and what they are turned into."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click
from click.shell_completion import CompletionItem

from orchestra_core.artifacts import Home
from orchestra_core.errors import RunNotFound
from orchestra_core.plan import STAGE_ORDER
from orchestra_core.session import Request, open_home

Command = TypeVar("Command", bound=Callable[..., Any])

_REQUEST_KEYS = ("file", "assignments", "plugins", "strict_plugins", "home", "until")

json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON for machines.")
home_option = click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder that holds reports/ and .runs/.  [default: ORCHESTRA_HOME or here]",
)


def experiment_options(command: Callable[..., None]) -> Callable[..., None]:
    """--file, --set, --plugins, --strict-plugins and --home, handed over as one `request`.

    `until_option` beneath it goes into the request too.
    """

    @wraps(command)
    def with_request(*_args: Any, **values: Any) -> None:
        typed = {name: values.pop(name) for name in _REQUEST_KEYS if name in values}
        command(request=Request(**typed), **values)

    decorated: Callable[..., None] = with_request
    options = [
        click.option(
            "-f",
            "--file",
            type=click.Path(dir_okay=False, path_type=Path),
            help="The experiment.  [default: orchestra.yaml if it is there]",
        ),
        click.option(
            "--set",
            "assignments",
            multiple=True,
            metavar="KEY=VALUE",
            help="Set one key, such as stages.grid.sample=50. May be repeated.",
        ),
        click.option(
            "--plugins",
            multiple=True,
            metavar="NAMES",
            shell_complete=_complete_plugins,
            help="Plugins that must load, such as fiqa,my_pkg.my_module; no:NAME switches one off.",
        ),
        click.option("--strict-plugins", is_flag=True, help="Any plugin that fails to load is fatal."),
        home_option,
    ]
    for option in reversed(options):
        decorated = option(decorated)
    return decorated


def until_option(command: Command) -> Command:
    """--until STAGE: the plan ends after that stage."""
    option = click.option(
        "--until",
        type=click.Choice(STAGE_ORDER),
        metavar="STAGE",
        help="End after smoke, grid, ab, select or publish.  [default: publish]",
    )
    return option(command)


def run_argument(command: Command) -> Command:
    """RUN: a run id, the beginning of one, or `latest`."""
    argument = click.argument("run_id", metavar="RUN", shell_complete=complete_runs)
    return argument(command)


def find_run(run_id: str, home_path: Path | None) -> tuple[Home, str]:
    """The home folder and the full id of a run. Raises RunNotFound, InvalidName."""
    from orchestra_core.journal.memory import entries, open_journal
    from orchestra_core.names import check_name

    home = open_home(Request(home=home_path))
    check_name(run_id, "run id")
    if run_id == "latest" and (known := entries(home)):
        return home, str(known[-1]["run_id"])
    matches = [known for known in home.run_ids() if known.startswith(run_id)]
    if run_id not in matches and len(matches) == 1:
        return home, matches[0]
    if run_id not in matches and matches:
        told = f"{len(matches)} runs begin with '{run_id}'"
        raise RunNotFound(told, hint=f"Say which: {', '.join(matches[-5:])}")
    open_journal(home, run_id)
    return home, run_id


def _complete_plugins(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[Any]:
    from orchestra_core.plugins.discovery import installed_plugins

    done, comma, begun = incomplete.rpartition(",")
    names = [name for name in installed_plugins() if name.startswith(begun)]
    return [CompletionItem(f"{done}{comma}{name}") for name in names]


def complete_runs(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[Any]:
    """Run ids, and `latest`, that begin with what was typed."""
    home = open_home(Request(home=ctx.params.get("home")))
    names = [*home.run_ids(), "latest"]
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]
