"""`orchestra plan`: the dry run."""

from __future__ import annotations

from typing import Any

import click

from orchestra_core.cli.options import experiment_options, json_option, until_option
from orchestra_core.session import Request


@click.command("plan")
@experiment_options
@until_option
@json_option
def command(
    request: Request,
    as_json: bool,
) -> None:
    """Show what a run would do; nothing is sent.

    Stages, every configuration with its config_id, the split of the queries, the requests needed and
    the estimated time. The same experiment and seed give the same plan hash on any machine.
    """
    from orchestra_core.cli.output import print_json
    from orchestra_core.estimate import estimate
    from orchestra_core.payloads import GuardEvidence
    from orchestra_core.session import open_session

    session = open_session(request)
    plan = session.make_plan(session.open_dataset())
    rulings = session.calls.guard(GuardEvidence("plan", "", plan))
    guess = estimate(session, plan)
    if as_json:
        content: dict[str, Any] = plan.model_dump(mode="json")
        content |= {"plan_hash": plan.plan_hash, "requests": plan.requests}
        content |= {"estimated_seconds": guess.seconds, "estimate_basis": guess.basis}
        print_json({**content, "rulings": [r.model_dump(mode="json") for r in rulings]})
        return
    _show(plan, guess, rulings)


def _show(plan: Any, guess: Any, rulings: Any) -> None:
    from orchestra_core.cli.output import console, print_table
    from orchestra_core.telling.units import duration

    click.echo(click.style(f"Plan {plan.plan_hash[:12]} · {plan.experiment.name}", bold=True))
    click.echo(
        f"{plan.dataset}: {plan.queries} labelled queries, {len(plan.tuning)} for tuning, "
        f"{len(plan.confirmation)} kept for confirmation"
    )
    rows = [
        (s.name, len(s.config_ids) or "", ", ".join(str(len(r)) for r in s.rungs), f"{s.requests:,}")
        for s in plan.stages
    ]
    print_table(["stage", "configurations>", "queries per rung", "requests, at most>"], rows)
    click.echo(f"Baseline: {plan.baseline.config_id}")
    click.echo(f"{len(plan.configurations)} configurations:")
    from rich.columns import Columns

    console().print(Columns([c.config_id for c in plan.configurations], padding=(0, 2)))
    click.echo(f"At most {plan.requests:,} requests; about {duration(guess.seconds)} ({guess.basis}).")
    if guess.warning:
        click.echo(f"{click.style('Warning:', fg='yellow')} {guess.warning}")
    for ruling in rulings:
        if ruling.kind != "allow":
            click.echo(f"{ruling.kind} by {ruling.plugin} ({ruling.rule}): {ruling.reason}")
