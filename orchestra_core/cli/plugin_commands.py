"""Commands that plugins add to the CLI."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass, field
from functools import partial

import click

from orchestra_core.errors import DuplicateName, OrchestraError
from orchestra_core.payloads import CommandRegistry
from orchestra_core.plugins.calls import HookCalls
from orchestra_core.plugins.manager import PluginHost, open_host


@dataclass(frozen=True)
class PluginCommands:
    """What `plugin_commands` found."""

    found: dict[str, click.Command] = field(default_factory=dict)
    by_plugin: dict[str, list[str]] = field(default_factory=dict)
    """Plugin → the names of its commands."""
    errors: list[OrchestraError] = field(default_factory=list)
    """Why plugins that might have had more commands failed."""


def plugin_commands(reserved: Container[str], host: PluginHost | None = None) -> PluginCommands:
    """The commands of every installed plugin, or of those in `host`. Raises DuplicateName."""
    commands = PluginCommands()

    def add(plugin: str, command: click.Command) -> None:
        name = command.name or ""
        if name in reserved or name in commands.found:
            raise DuplicateName(
                f"{_origin(command)} adds a command '{name}', which "
                f"{_origin(commands.found.get(name))} has already",
                hint="Rename the plugin's command, or uninstall one of the two plugins.",
            )
        commands.found[name] = command
        commands.by_plugin.setdefault(plugin, []).append(name)

    host = host or open_host()
    HookCalls(host).commands(lambda plugin: CommandRegistry(partial(add, plugin)))
    commands.errors.extend(s.error for s in host.statuses.values() if s.error is not None)
    return commands


def _origin(command: click.Command | None) -> str:
    """The module that a command comes from; None: one of the core's own."""
    return command.callback.__module__ if command and command.callback else "orchestra"
