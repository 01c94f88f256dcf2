"""`orchestra data list|pull|info`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from orchestra_core.cli.options import json_option

if TYPE_CHECKING:
    from orchestra_core.errors import OrchestraError
    from orchestra_core.plugins.calls import HookCalls


@click.group("data")
def command() -> None:
    """List, fetch and describe datasets."""


@command.command("list")
@json_option
def list_(as_json: bool) -> None:
    """Datasets that can be named in the experiment, and whether their data is here."""
    from orchestra_core.cli.output import print_json, print_table

    rows = []
    for source in _calls().datasets().values():
        name = f"{source.name}:{source.argument}" if source.is_scheme else source.name
        here = "" if source.is_scheme else ("yes" if source.location() else "no")
        rows.append((name, here, source.summary))
    if as_json:
        print_json(
            [{"name": n, "here": None if not h else h == "yes", "summary": s} for n, h, s in rows]
        )
    else:
        print_table(["dataset", "here", "what it is"], rows)


@command.command()
@click.argument("name")
def pull(name: str) -> None:
    """Fetch a dataset now, so that later runs need no network."""
    from orchestra_core.session import find_dataset, open_dataset

    calls = _calls()
    source, _ = find_dataset(calls, name, "NAME")
    dataset = open_dataset(calls, name)
    click.echo(f"{name}: {len(dataset.queries):,} queries, {len(dataset.corpus):,} documents")
    if location := source.location():
        click.echo(str(location))


@command.command()
@click.argument("name")
@json_option
def info(name: str, as_json: bool) -> None:
    """Sizes, judgements, content hash and an example of a dataset."""
    from orchestra_core.cli.output import print_json, print_table
    from orchestra_core.session import open_dataset

    dataset = open_dataset(_calls(), name)
    judged = dataset.judged_queries()
    judgements = sum(len(grades) for grades in dataset.qrels.values())
    content: dict[str, Any] = {
        "dataset": name,
        "queries": len(dataset.queries),
        "queries with a relevant document": len(judged),
        "documents": len(dataset.corpus),
        "judgements": judgements,
        "sha256": dataset.sha256,
        "example": f"{judged[0].query_id}: {judged[0].text[:100]}",
    }
    if as_json:
        print_json(content)
    else:
        print_table(["", ""], content.items())


def _calls() -> HookCalls:
    from orchestra_core.plugins.calls import HookCalls
    from orchestra_core.plugins.manager import open_host

    def warn(error: OrchestraError) -> None:
        click.echo(f"{click.style('Warning:', fg='yellow')} {error}", err=True)

    return HookCalls(open_host(), warn)
