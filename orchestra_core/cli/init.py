"""`orchestra init`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command("init")
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path), default=Path("orchestra.yaml"))
@click.option("--force", is_flag=True, help="Replace the file if it is there.")
@click.option("--plugins", multiple=True, metavar="NAMES", help="As for `orchestra run`.")
def command(path: Path, force: bool, plugins: tuple[str, ...]) -> None:
    """Write a commented orchestra.yaml.

    It holds the built-in experiment of your runner: running it unchanged gives the same plan as
    running without a file.
    """
    from orchestra_core.artifacts import write_atomic
    from orchestra_core.errors import UsageError
    from orchestra_core.session import Request, open_session
    from orchestra_core.template import commented_yaml

    if path.exists() and not force:
        raise UsageError("the file exists already", where=str(path), hint="Use --force to replace it.")
    session = open_session(Request(plugins=plugins, only_defaults=True))
    write_atomic(path.absolute(), commented_yaml(session.experiment, session.host.settings).encode())
    click.echo(f"Wrote {path}. Next: orchestra plan, then orchestra run")
