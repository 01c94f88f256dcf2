"""`orchestra completion SHELL`."""

from __future__ import annotations

import click


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print the completion script for your shell.

    For bash: `eval "$(orchestra completion bash)"` in ~/.bashrc; likewise for zsh in ~/.zshrc. For
    fish: `orchestra completion fish > ~/.config/fish/completions/orchestra.fish`.
    """
    from click.shell_completion import get_completion_class

    from orchestra_core.cli.group import cli

    kind = get_completion_class(shell)
    if kind is not None:
        click.echo(kind(cli, {}, "orchestra", "_ORCHESTRA_COMPLETE").source())
