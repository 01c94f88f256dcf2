"""`orchestra diag`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from orchestra_core.cli.options import experiment_options, json_option
from orchestra_core.session import Request

if TYPE_CHECKING:
    from orchestra_core.diagnosing.findings import Diagnosis, Finding

_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@click.command("diag")
@experiment_options
@json_option
def command(request: Request, as_json: bool) -> None:
    """Check whether a run would work, and say what to do where it would not.

    Looks at the configuration and where it comes from, the plugins, allowed hosts and aliases, the
    dataset, every health endpoint of the target, five queries of the baseline and whether their ids are
    the dataset's, and the latest jobs. Asks with at most one repetition. Nothing is written to the
    home folder.

    Exit code: 0 a run can begin, 1 a guard denies the plan, 2 the configuration is wrong, 3 the target
    is not usable.
    """
    from orchestra_core.cli.output import print_json
    from orchestra_core.diagnosing.check import diagnose

    found = diagnose(request)
    if as_json:
        print_json(found.as_json())
    else:
        _show(found)
    click.get_current_context().exit(found.exit_code)


def _show(found: Diagnosis) -> None:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from orchestra_core.cli.output import console

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for header in ("area", "check", "status", "found"):
        table.add_column(header, overflow="fold")
    area = ""
    for one in found.findings:
        status = Text(one.status, style=_COLOURS.get(one.status, "dim"))
        table.add_row("" if one.area == area else one.area, one.name, status, Text(_cell(one)))
        area = one.area
    console().print(table)
    if not found.failures:
        click.echo(click.style("A run can begin.", fg="green"))
        return
    many = len(found.failures)
    told = "1 check failed" if many == 1 else f"{many} checks failed"
    click.echo(click.style(f"{told}; a run would not work.", fg="red"))


def _cell(finding: Finding) -> str:
    return f"{finding.message}\nHint: {finding.hint}" if finding.hint else finding.message
