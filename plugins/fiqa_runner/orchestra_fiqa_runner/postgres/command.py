"""What `orchestra fiqa load` does: the experiment's corpus and collections into its database."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import click

from orchestra_core.cli.output import print_json, print_table
from orchestra_core.outbound.opening import open_door
from orchestra_core.session import Request, cache_folder, open_session
from orchestra_core.telling.units import duration
from orchestra_fiqa_runner.backends.pgvector import tables_for
from orchestra_fiqa_runner.collections import read_collections
from orchestra_fiqa_runner.description import RUNNER_NAME
from orchestra_fiqa_runner.engine.corpus import read_corpus
from orchestra_fiqa_runner.postgres.admission import admit
from orchestra_fiqa_runner.postgres.dsn import Server, find_server, read_dsn
from orchestra_fiqa_runner.postgres.loading import Loaded, load
from orchestra_fiqa_runner.settings import FiqaSettings

if TYPE_CHECKING:
    from collections.abc import Sequence


def load_experiment(
    request: Request, dsn: str | None, *, demo: bool, rebuild: bool
) -> tuple[str, Sequence[Loaded]]:
    """The server's name and what was done.

    Raises ExperimentError, AddressRefused for a host that is not allowed, DatasetUnavailable,
    TargetError.
    """
    assignments = (*request.assignments, "runner.plugin=fiqa", "runner.backend=pgvector")
    plugins = (*request.plugins, RUNNER_NAME)
    session = open_session(replace(request, assignments=assignments, plugins=plugins))
    found = session.host.settings.get(RUNNER_NAME)
    settings = found if isinstance(found, FiqaSettings) else FiqaSettings()
    collections = read_collections(session.experiment)
    with closing(open_door(session.experiment)) as door:
        server = admit(_server(settings, dsn, demo=demo), door)
    dataset = session.open_dataset()
    corpus = read_corpus(dataset.corpus, dataset.corpus_sha256)
    tables = tables_for(dataset.corpus_sha256, settings)
    return server.name, load(server, tables, corpus, collections, rebuild=rebuild)


def _server(settings: FiqaSettings, dsn: str | None, *, demo: bool) -> Server:
    if demo and dsn is not None:
        raise click.UsageError("--dsn and --demo exclude each other")
    if dsn is not None:
        return read_dsn(dsn, "--dsn")
    chosen = settings.pgvector.model_copy(update={"demo": demo or settings.pgvector.demo})
    return find_server(chosen, cache_folder(RUNNER_NAME))


def show(name: str, done: Sequence[Loaded], *, as_json: bool) -> None:
    """A table for people, or JSON."""
    if as_json:
        print_json({"server": name, "tables": [asdict(one) for one in done]})
        return
    rows = [
        (
            one.what,
            one.table,
            one.rows,
            "written" if one.written else "was there",
            duration(one.seconds),
        )
        for one in done
    ]
    print_table(["what", "table", "rows>", "", "took>"], rows, title=name)
