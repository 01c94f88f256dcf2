"""`orchestra export RUN FILE`."""

from __future__ import annotations

from pathlib import Path

import click

from orchestra_core.cli.options import find_run, home_option, run_argument


@click.command("export")
@run_argument
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@home_option
def command(run_id: str, file: Path, home: Path | None) -> None:
    """Write a run with all its files into one archive.

    FILE is a tar.gz with journal, units, jobs and artifacts; `orchestra import` puts them into another
    home folder. Refused while a process carries the run.
    """
    from orchestra_core.bundling import export_run
    from orchestra_core.telling.units import counted

    folder, full_id = find_run(run_id, home)
    count = export_run(folder, full_id, file)
    click.echo(f"{full_id}: {counted(count, 'file')} in {file}, {file.stat().st_size / 1e6:.1f} MB")
