"""`orchestra config show|schema|check`."""

from __future__ import annotations

from typing import Any

import click

from orchestra_core.cli.options import experiment_options, json_option
from orchestra_core.session import Request


@click.group("config")
def command() -> None:
    """Show, check and describe the experiment."""


@command.command()
@experiment_options
@json_option
def show(
    request: Request,
    as_json: bool,
) -> None:
    """Print the complete experiment: defaults, file, environment and --set together."""
    import yaml

    from orchestra_core.cli.output import print_json
    from orchestra_core.session import open_session

    session = open_session(request)
    content = session.experiment.model_dump(mode="json")
    content["plugins"] = {n: m.model_dump(mode="json") for n, m in session.host.settings.items()}
    if as_json:
        print_json(content)
    else:
        click.echo(yaml.safe_dump(content, sort_keys=False, allow_unicode=True), nl=False)


@command.command()
@click.option("--plugins", multiple=True, metavar="NAMES", help="As for `orchestra run`.")
def schema(plugins: tuple[str, ...]) -> None:
    """Print the JSON schema of the experiment file, with the loaded plugins' sections."""
    from orchestra_core.cli.output import print_json
    from orchestra_core.experiment import Experiment
    from orchestra_core.plugins.manager import open_host
    from orchestra_core.plugins.selection import parse_selection

    host = open_host(parse_selection(plugins))
    content: dict[str, Any] = Experiment.model_json_schema()
    content["properties"]["plugins"]["properties"] = {
        name: model.model_json_schema() for name, model in sorted(host.settings_models.items())
    }
    print_json(content)


@command.command()
@experiment_options
@json_option
def check(
    request: Request,
    as_json: bool,
) -> None:
    """Check the experiment and its plan against plugins and dataset; nothing is sent."""
    from orchestra_core.cli.output import print_json
    from orchestra_core.session import open_session

    session = open_session(request)
    plan = session.make_plan(session.open_dataset())
    if as_json:
        counts = {"configurations": len(plan.configurations), "requests": plan.requests}
        print_json({"ok": True, "plan_hash": plan.plan_hash, **counts})
        return
    click.echo(
        f"The experiment is valid: {len(plan.configurations)} configurations, "
        f"at most {plan.requests:,} requests."
    )
