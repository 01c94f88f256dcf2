"""`orchestra replay RUN`."""

from __future__ import annotations

from pathlib import Path

import click

from orchestra_core.cli.options import find_run, home_option, json_option, run_argument


@click.command("replay")
@run_argument
@home_option
@json_option
@click.option("--write", is_flag=True, help="Put back files that are missing or differ.")
@click.option("--plugins", multiple=True, metavar="NAMES", help="As for `orchestra run`.")
def command(
    run_id: str, home: Path | None, as_json: bool, write: bool, plugins: tuple[str, ...]
) -> None:
    """Go through a run again without its target, by its journal and stored results.

    What else it needs is the dataset, and the plugins that took part.

    The same stages, rules and reporters derive every decision, the verdict, every job's files and every
    artifact once more; they must come out byte by byte as they are, and as the journal recorded them. A
    picture that was drawn by another library must be the recorded one, and show the same data. An
    artifact whose reporter is not loaded is named. Nothing is sent. `orchestra verify` checks the files
    that are there, and needs no stored results.

    Exit code: 0 all agrees, 1 something differs, 3 something is missing.
    """
    from orchestra_core.cli.verify import tell_ledger
    from orchestra_core.journal.memory import load_state
    from orchestra_core.plugins.calls import HookCalls
    from orchestra_core.replaying import replay_run
    from orchestra_core.rerender import open_host_of
    from orchestra_core.resuming import check_resumable

    folder, full_id = find_run(run_id, home)
    state = load_state(folder, full_id)
    check_resumable(state)
    words = plugins or tuple(state.started["asked"]["plugins"])
    ledger = replay_run(folder, full_id, HookCalls(open_host_of(state, words)), write=write)
    tell_ledger(ledger, as_json=as_json)
