"""`orchestra verify RUN`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from orchestra_core.cli.options import find_run, home_option, json_option, run_argument

if TYPE_CHECKING:
    from orchestra_core.verification.ledger import Ledger

SHOWN = 50


@click.command("verify")
@run_argument
@home_option
@json_option
@click.option("--plugins", multiple=True, metavar="NAMES", help="As for `orchestra run`.")
def command(run_id: str, home: Path | None, as_json: bool, plugins: tuple[str, ...]) -> None:
    """Recompute a run from its files, and compare.

    Every figure, the verdict and the winner are computed anew from the stored rankings and the
    dataset's judgements; every checksum is checked. Nothing is sent and nothing is written.

    Exit code: 0 all agrees, 1 something differs, 3 evidence is missing.
    """
    from functools import partial

    from orchestra_core.journal.memory import load_state
    from orchestra_core.plugins.calls import HookCalls
    from orchestra_core.plugins.manager import open_host
    from orchestra_core.plugins.selection import parse_selection
    from orchestra_core.session import folder_of, open_dataset
    from orchestra_core.verification.check import verify_run

    folder, full_id = find_run(run_id, home)
    calls = HookCalls(open_host(parse_selection(plugins)))
    started = load_state(folder, full_id).started
    opening = partial(open_dataset, calls, folder=folder_of(folder, started))
    ledger = verify_run(folder, full_id, opening)
    tell_ledger(ledger, as_json=as_json)


def tell_ledger(ledger: Ledger, *, as_json: bool) -> None:
    """Print what was found, and exit accordingly."""
    from orchestra_core.cli.output import print_json, reader_may_leave

    with reader_may_leave():
        if as_json:
            print_json(_content(ledger))
        else:
            _show(ledger)
    click.get_current_context().exit(ledger.exit_code)


def _content(ledger: Ledger) -> dict[str, object]:
    found = [asdict(finding) for finding in ledger.findings]
    told = {"run_id": ledger.run_id, "agrees": not found, "checked": dict(ledger.checked)}
    return {**told, "findings": found}


def _show(ledger: Ledger) -> None:
    from orchestra_core.cli.output import print_table
    from orchestra_core.verification.ledger import PUT_BACK

    counts = {what: count for what, count in ledger.checked.items() if count}
    back = counts.pop(PUT_BACK, 0)
    checked = ", ".join(f"{count:,} {what}" for what, count in counts.items())
    click.echo(f"{ledger.run_id}: {checked} checked{f'; {back:,} put back' if back else ''}")
    if not ledger.findings:
        click.echo(click.style("Everything agrees.", fg="green", bold=True))
        return
    rows = [(f.kind, f.file, f.what, f.recorded, f.recomputed) for f in ledger.findings[:SHOWN]]
    print_table(["", "file", "what", "recorded", "recomputed"], rows)
    if (more := len(ledger.findings) - SHOWN) > 0:
        click.echo(f"  and {more:,} more; --json lists all")
    counts = {kind: sum(f.kind == kind for f in ledger.findings) for kind in ("differs", "missing")}
    told = f"{counts['differs']:,} differ, {counts['missing']:,} missing."
    click.echo(click.style(told, fg="red", bold=True))
