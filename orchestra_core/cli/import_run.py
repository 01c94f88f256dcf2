"""`orchestra import FILE`."""

from __future__ import annotations

from pathlib import Path

import click

from orchestra_core.cli.options import home_option


@click.command("import")
@click.argument("file", type=click.Path(dir_okay=False, exists=True, path_type=Path))
@home_option
@click.option(
    "--max-size",
    type=click.FloatRange(min=0, min_open=True),
    default=4096.0,
    show_default=True,
    metavar="MB",
    help="Refuse an archive that unpacks to more.",
)
def command(file: Path, home: Path | None, max_size: float) -> None:
    """Put a run from an archive into this home folder.

    Every name is checked before it is written, and every content by its SHA-256: nothing but plain
    files of that one run comes in, as they were exported. A run that is here already is not touched,
    and the history of winners stays as it is.
    """
    from orchestra_core.session import Request, open_home
    from orchestra_core.unbundling import import_run

    run_id = import_run(open_home(Request(home=home)), file, most_bytes=int(max_size * 1e6))
    click.echo(f"{run_id} is here. Check it with: orchestra verify {run_id}")
