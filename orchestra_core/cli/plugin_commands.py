"""Commands that plugins add to the CLI."""

from __future__ import annotations

from collections.abc import Container

import click

from orchestra_core.errors import DuplicateName
from orchestra_core.payloads import CommandRegistry
from orchestra_core.plugins.calls import HookCalls
from orchestra_core.plugins.manager import open_host


def plugin_commands(reserved: Container[str]) -> dict[str, click.Command]:
    """Command name → command of every installed plugin. Raises DuplicateName."""
    found: dict[str, click.Command] = {}

    def add(command: click.Command) -> None:
        name = command.name or ""
        if name in reserved or name in found:
            raise DuplicateName(
                f"the command '{name}' exists already",
                hint="Rename the plugin's command, or uninstall one of the two plugins.",
            )
        found[name] = command

    HookCalls(open_host()).commands(CommandRegistry(add))
    return found
