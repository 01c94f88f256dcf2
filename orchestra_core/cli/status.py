"""`orchestra status RUN`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from orchestra_core.cli.options import find_run, home_option, json_option, run_argument


@click.command("status")
@run_argument
@home_option
@json_option
def command(run_id: str, home: Path | None, as_json: bool) -> None:
    """Show how far a run is and what it found.

    RUN is an id, the beginning of one, or `latest`.
    """
    from orchestra_core.cli.output import print_json
    from orchestra_core.cli.result import show_report, summary_of
    from orchestra_core.journal.memory import open_journal
    from orchestra_core.journal.reporting import report_on
    from orchestra_core.journal.skimming import skim
    from orchestra_core.liveness import process_is_gone

    folder, full_id = find_run(run_id, home)
    reader = open_journal(folder, full_id)
    state = skim(reader)
    report = report_on(state)
    stages = {name: asdict(progress) for name, progress in state.stages.items()}
    if as_json:
        content = {**summary_of(report), "stage": state.stage, "stages": stages}
        content["process_gone"] = process_is_gone(folder, state)
        counts = {"events": state.events, "lost_events": state.lost_events}
        counts |= {"bad_lines": reader.bad_lines, "retries": state.retries}
        print_json({**content, **counts, "last_event_at": state.last_event_at})
        return
    show_report(report)
    for name, progress in stages.items():
        click.echo(f"  {name:<8} {progress['status']:<8} {progress['done']:,} evaluations")
    for decision in report.decisions:
        click.echo(f"  {decision.stage} {decision.kind} ({decision.rule}): {decision.reason}")
    if report.error:
        click.echo(f"{click.style('Error:', fg='red')} {report.error['msg']}")
    if process_is_gone(folder, state):
        click.echo("The run has no ending, and its process is gone: it was killed.")
    if process_is_gone(folder, state) or not (state.is_finished or state.status == "running"):
        click.echo(f"Go on with it: orchestra resume {full_id}")
    if reader.bad_lines:
        click.echo(f"{reader.bad_lines} lines of the journal are damaged and were skipped.")
