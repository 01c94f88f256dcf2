"""Every command, from the click tree."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from parts.tables import table


def cli() -> str:
    """Every command with its options, from the click tree."""
    import click

    group = command_tree()
    context = click.Context(group, info_name="orchestra")
    return "\n\n".join([*_commands(group, context), *_plugin_commands(context)])


def command_tree() -> Any:
    """The `orchestra` group."""
    from orchestra_core.cli.group import cli as group

    return group


def _plugin_commands(context: Any) -> Iterator[str]:
    """Those that the first-party plugins add."""
    import click

    from orchestra_core.cli.group import COMMANDS
    from orchestra_core.cli.plugin_commands import plugin_commands
    from orchestra_core.plugins.known import FIRST_PARTY
    from orchestra_core.plugins.manager import open_host
    from orchestra_core.plugins.selection import parse_selection

    added = plugin_commands(COMMANDS, open_host(parse_selection(()), strict=True))
    for plugin, names in sorted(added.by_plugin.items()):
        if plugin not in FIRST_PARTY:
            continue
        for name in names:
            command = added.found[name]
            inner = click.Context(command, info_name=name, parent=context)
            yield from _commands(command, inner)


def _commands(command: Any, context: Any) -> Iterator[str]:
    import click

    yield _command(command, context)
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if inner is not None and not inner.hidden:
                yield from _commands(inner, click.Context(inner, info_name=name, parent=context))


def _command(command: Any, context: Any) -> str:
    level = 2 if context.parent is None or context.parent.parent is None else 3
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    prose = inspect.cleandoc(command.help or "").replace("\b\n", "").split("\f")[0]
    parts = [f"{'#' * level} {context.command_path}", f"```text\n{usage}\n```", prose.strip()]
    rows = [_parameter(p, context) for p in command.params if not getattr(p, "hidden", False)]
    if rows:
        parts.append(table(("Argument or option", "Meaning"), rows))
    return "\n\n".join(part for part in parts if part)


def _parameter(parameter: Any, context: Any) -> tuple[str, str]:
    import click

    if isinstance(parameter, click.Option):
        record = parameter.get_help_record(context)
        names, meaning = record or (", ".join(parameter.opts), "")
        return f"`{names}`", meaning
    return f"`{parameter.make_metavar(context)}`", ""
