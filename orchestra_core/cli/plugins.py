"""`orchestra plugins list|show`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from orchestra_core.cli.options import json_option

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from orchestra_core.plugins.manager import PluginHost, PluginStatus

plugins_option = click.option("--plugins", multiple=True, metavar="NAMES", help="As for `run`.")


@click.group("plugins")
def command() -> None:
    """See which plugins are installed and what they do."""


@command.command("list")
@plugins_option
@json_option
def list_(plugins: tuple[str, ...], as_json: bool) -> None:
    """Name, version, status, commands, hooks, and why a plugin failed."""
    from orchestra_core.cli.output import print_json, print_table

    host = _open(plugins)
    commands, statuses = _commands(host), _statuses(host)
    if as_json:
        print_json([_content(status, commands) for status in statuses])
        return
    rows = [
        (s.name, s.candidate.version, s.status, s.candidate.distribution, told, _short_hooks(s))
        for s in statuses
        for told in [", ".join(f"orchestra {name}" for name in commands.get(s.name, ()))]
    ]
    print_table(["name", "version", "status", "distribution", "commands", "hooks"], rows)
    for status in statuses:
        if status.error is not None:
            click.echo(f"{status.name}: {status.error}\n  Hint: {status.error.hint}")


@command.command()
@click.argument("name")
@plugins_option
@json_option
def show(name: str, plugins: tuple[str, ...], as_json: bool) -> None:
    """Everything about one plugin: hooks, settings, and a runner's parameters."""
    from orchestra_core.cli.output import print_json
    from orchestra_core.errors import PluginNotFound, nearest

    host = _open(plugins)
    if name not in host.statuses:
        hint = f"{nearest(name, host.statuses)} See `orchestra plugins list`.".strip()
        raise PluginNotFound(f"there is no plugin '{name}'", hint=hint)
    content = _details(host, name)
    if as_json:
        print_json(content)
    else:
        _show(content)


def _open(plugins: tuple[str, ...]) -> PluginHost:
    from orchestra_core.plugins.manager import open_host
    from orchestra_core.plugins.selection import parse_selection

    return open_host(parse_selection(plugins))


def _statuses(host: PluginHost) -> list[PluginStatus]:
    return sorted(host.statuses.values(), key=lambda s: (s.builtin, s.name))


def _commands(host: PluginHost) -> dict[str, list[str]]:
    """Plugin → its commands; none where two plugins quarrel about a name, which says calling it."""
    from orchestra_core.cli.group import COMMANDS
    from orchestra_core.cli.plugin_commands import plugin_commands
    from orchestra_core.errors import DuplicateName

    try:
        return plugin_commands(reserved=COMMANDS, host=host).by_plugin
    except DuplicateName:
        return {}


def _content(status: PluginStatus, commands: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    return {
        "name": status.name,
        "version": status.candidate.version,
        "status": status.status,
        "distribution": status.candidate.distribution,
        "module": status.candidate.module,
        "commands": list(commands.get(status.name, ())),
        "hooks": list(status.hooks),
        "builtin": status.builtin,
        "error": status.error.as_payload() if status.error else None,
    }


def _details(host: PluginHost, name: str) -> dict[str, Any]:
    from dataclasses import asdict

    from orchestra_core.payloads import DescribeRequest
    from orchestra_core.plugins.calls import HookCalls
    from orchestra_core.session import RUNNER_HOOK

    content = _content(host.statuses[name], _commands(host))
    model = host.settings_models.get(name)
    content["settings"] = model.model_json_schema() if model else None
    if name in host.providers(RUNNER_HOOK):
        content["runner"] = asdict(HookCalls(host).describe_runner(name, DescribeRequest()))
    return content


def _show(content: dict[str, Any]) -> None:
    from orchestra_core.cli.output import print_table

    click.echo(click.style(f"{content['name']} {content['version']} · {content['status']}", bold=True))
    click.echo(f"{content['distribution'] or 'no distribution'}, module {content['module']}")
    if content["error"]:
        click.echo(f"{content['error']['msg']}\n  Hint: {content['error']['hint']}")
    for added in content["commands"]:
        click.echo(f"  command orchestra {added}")
    for hook in content["hooks"]:
        click.echo(f"  {hook}")
    if content["settings"]:
        properties = content["settings"].get("properties", {})
        rows = [(k, p.get("type", ""), p.get("default", "")) for k, p in properties.items()]
        print_table(["setting", "type", "default"], rows, title=f"plugins.{content['name']}")
    if runner := content.get("runner"):
        click.echo(f"Backends: {', '.join(runner['backends'])}")
        knobs = [(p["name"], p["kind"], p["default"], p["summary"]) for p in runner["parameters"] or ()]
        print_table(["parameter", "kind", "default", "what it does"], knobs)


def _short_hooks(status: PluginStatus) -> str:
    return ", ".join(hook.removeprefix("orchestra_") for hook in status.hooks)
