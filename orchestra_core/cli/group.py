"""The root command group. Commands are imported when called, so `orchestra --help` feels instant.

Commands that plugins add are looked up only when a name is not one of the core's own.
"""

from __future__ import annotations

from importlib import import_module

import click

from orchestra_core import __version__
from orchestra_core.errors import nearest

COMMANDS = {
    "run": "Carry an experiment from plan to published winner.",
    "resume": "Go on with a run that was interrupted, failed or killed.",
    "plan": "Show what a run would do; nothing is sent.",
    "load": "Time one configuration under load; find the highest rate it bears.",
    "diag": "Check whether a run would work, and say what to do where it would not.",
    "init": "Write a commented orchestra.yaml.",
    "config": "Show, check and describe the experiment.",
    "plugins": "See which plugins are installed and what they do.",
    "data": "List, fetch and describe datasets.",
    "list": "List the runs of this home folder, oldest first.",
    "status": "Show how far a run is and what it found.",
    "events": "Print or follow a run's journal.",
    "report": "Render a run's artifacts again from its journal.",
    "verify": "Recompute a run from its files, and compare.",
    "replay": "Go through a run again without its target, by its journal and stored results.",
    "compare": "Compare two runs on the queries they have in common.",
    "winners": "Show and check the history of published winners.",
    "policy": "Put a published winner into force, undo it, show which one is.",
    "export": "Write a run with all its files into one archive.",
    "import": "Put a run from an archive into this home folder.",
    "gc": "Remove old runs and what was left over.",
    "metrics": "Show figures of finished jobs, and write why requests failed.",
    "serve": "Serve runs over HTTP, with a page to watch them.",
    "memory": "Maintain the index over runs.",
    "completion": "Print the completion script for your shell.",
}
_MODULES = {"list": "runs", "import": "import_run"}


class LazyGroup(click.Group):
    """Knows its commands by name and one line of help; imports each only when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The core's own commands, in the order of the story."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A command by name; a plugin's when the core has none of that name."""
        if cmd_name in COMMANDS:
            module = import_module(f"orchestra_core.cli.{_MODULES.get(cmd_name, cmd_name)}")
            command: click.Command = module.command
            return command
        from orchestra_core.cli.plugin_commands import plugin_commands

        return plugin_commands(reserved=COMMANDS).found.get(cmd_name)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, but an unknown command names the nearest known one."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            raise click.UsageError(_no_such_command(args[0]), ctx=ctx) from error

    def invoke(self, ctx: click.Context) -> object:
        """As click does, but a reader that has seen enough (such as `head`) is no error."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            from orchestra_core.cli.output import silence_stdout

            silence_stdout()
            ctx.exit(0)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The command table from the lines above, without importing anything."""
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))
        with formatter.section("Plugins"):
            told = "Plugins may add commands of their own; `orchestra plugins list` names them."
            formatter.write_text(told)


def _no_such_command(name: str) -> str:
    from orchestra_core.cli.plugin_commands import plugin_commands

    plugins = plugin_commands(reserved=COMMANDS)
    lines = [f"No such command '{name}'. {nearest(name, [*COMMANDS, *plugins.found])}"]
    lines += [f"It may be a command of a plugin that failed: {error}" for error in plugins.errors]
    return "\n".join(lines)


@click.group(
    cls=LazyGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="First steps: `orchestra plan`, then `orchestra run --plugins fiqa`.",
)
@click.version_option(__version__, prog_name="orchestra")
@click.option("--debug", is_flag=True, help="Show tracebacks.")
def cli(debug: bool) -> None:
    """Tune search configurations properly: smoke, grid, A/B, select, publish."""
    del debug  # read by `main`, before any command is parsed
