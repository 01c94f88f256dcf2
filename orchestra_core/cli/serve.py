"""`orchestra serve`."""

from __future__ import annotations

import os
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import click

from orchestra_core.cli.options import experiment_options
from orchestra_core.errors import UsageError
from orchestra_core.session import Request, open_home

TOKEN_VARIABLE = "ORCHESTRA_SERVICE_TOKEN"  # noqa: S105 - a name, not a token
NEEDED = ("fastapi", "uvicorn", "sse_starlette", "prometheus_client", "jinja2")


@click.command("serve")
@experiment_options
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), default=8001, show_default=True)
@click.option(
    "--token-file",
    type=click.Path(dir_okay=False, path_type=Path),
    help=f"File with the token that requests must bring.  [default: {TOKEN_VARIABLE}]",
)
@click.option(
    "--allow-host",
    multiple=True,
    metavar="HOST",
    help="Answer under this Host header too, such as tuner.example:8001; needed with a --host that"
    " stands for every address. May be repeated.",
)
@click.option(
    "--workers", type=click.IntRange(1, 64), default=2, show_default=True, help="Runs at a time."
)
@click.option(
    "--queue", type=click.IntRange(0, 10_000), default=10, show_default=True, help="Runs that may wait."
)
@click.option("--resume", is_flag=True, help="Go on with this service's interrupted runs.")
@click.option(
    "--trust-experiments",
    is_flag=True,
    help="Let requests set runner, plugins and any dataset: they may then start programs.",
)
def command(
    request: Request, token_file: Path | None, allow_host: tuple[str, ...], **dials: Any
) -> None:
    """Serve runs over HTTP, with a page to watch them.

    Requests are layers over the experiment of --file. Other machines are answered only with --host
    and a token, sent as 'Authorization: Bearer TOKEN' or as a browser's password.
    """
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise UsageError(
            f"the service needs {', '.join(missing)}",
            hint="Install it with: pip install 'orchestra-core[service]'",
        )
    from orchestra_core.service.options import ServiceOptions
    from orchestra_core.service.serving import serve

    options = ServiceOptions(
        home=open_home(request),
        request=request,
        token=_token(token_file),
        allowed_hosts=allow_host,
        **dials,
    )
    serve(options, _tell)


def _token(file: Path | None) -> str | None:
    if file is None:
        return os.environ.get(TOKEN_VARIABLE) or None
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"cannot read the token: {error}",
            where=str(file),
            hint="Write one with: openssl rand -hex 32",
        ) from None


def _tell(address: str) -> None:
    click.echo(f"Orchestra listens on {address}")
