"""Load a corpus and its collections: one transaction, so all of it is there or nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
import psycopg
from pgvector.psycopg import register_vector
from psycopg.sql import SQL, Identifier, Literal

from orchestra_core.errors import DataError, TargetError
from orchestra_fiqa_runner.engine.corpus import Chunks, cut_corpus
from orchestra_fiqa_runner.engine.embedding import load_encoder
from orchestra_fiqa_runner.postgres import schema
from orchestra_fiqa_runner.postgres.digests import digest_of

if TYPE_CHECKING:
    from orchestra_fiqa_runner.engine.chunking import Chunking
    from orchestra_fiqa_runner.engine.corpus import Corpus
    from orchestra_fiqa_runner.postgres.dsn import Server
    from orchestra_fiqa_runner.postgres.schema import Tables

Connection = psycopg.Connection[tuple[Any, ...]]
_LOCK = 0x0F1CA
"""Key of the advisory lock that two loads at once wait for."""
_BATCH = 512


@dataclass(frozen=True, slots=True)
class Loaded:
    """One table of a load."""

    what: str
    """`documents`, or a collection's name."""
    table: str
    rows: int
    written: bool
    """False: it was there, with the right content."""
    seconds: float


def load(
    server: Server,
    tables: Tables,
    corpus: Corpus,
    collections: Mapping[str, Chunking],
    *,
    rebuild: bool = False,
) -> list[Loaded]:
    """Write whatever is missing or altered; `rebuild`: all of it anew.

    Raises TargetError when the server cannot be reached or refuses, DataError for a text that
    PostgreSQL cannot hold; then nothing has changed.
    """
    _check_texts(corpus)
    try:
        with psycopg.connect(server.dsn, connect_timeout=10) as connection:
            connection.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
            _prepare(connection, tables)
            work = _Load(connection, tables, corpus, rebuild)
            done = [work.documents()]
            done += [work.collection(name, chunking) for name, chunking in collections.items()]
    except (psycopg.Error, OSError) as error:
        message = server.hide(f"{type(error).__name__}: {error}")
        raise TargetError(
            f"the load was undone: {message}",
            where=server.name,
            hint="Check the DSN and the user's rights; pgvector must be installed on the server.",
        ) from None
    return done


class _Load:
    """The tables of one load, inside its transaction."""

    def __init__(self, connection: Connection, tables: Tables, corpus: Corpus, rebuild: bool) -> None:
        self._connection = connection
        self._tables = tables
        self._corpus = corpus
        self._fresh = rebuild
        self._encoder = load_encoder()

    def documents(self) -> Loaded:
        """The table of whole documents; when it is written, so is every chunking."""
        began, table, corpus = perf_counter(), self._tables.documents, self._corpus
        keys = zip(corpus.ids, corpus.texts, strict=True)
        written = self._fresh or not self._holds(table, "id", digest_of(keys))
        if written:
            self._fresh = True
            self._drop(table)
            self._connection.execute(schema.create_documents(self._tables))
            self._copy(table, "id", "text", zip(corpus.ids, corpus.texts, strict=True))
            self._connection.execute(SQL("ANALYZE {}").format(self._tables.named(table)))
        return Loaded("documents", table, len(corpus.ids), written, perf_counter() - began)

    def collection(self, name: str, chunking: Chunking) -> Loaded:
        """The table of one chunking, with its indexes."""
        began, table = perf_counter(), self._tables.chunks(chunking)
        chunks = cut_corpus(self._corpus, chunking, self._encoder.token_offsets)
        rows = list(_rows(chunks))
        expected = digest_of((str(document), text) for document, text in rows)
        written = self._fresh or not self._holds(table, "document", expected)
        if written:
            self._drop(table)
            self._connection.execute(schema.create_chunks(self._tables, table))
            self._copy(table, "document", "int4", rows)
            for statement in schema.create_indexes(self._tables, table):
                self._connection.execute(statement)
        return Loaded(name, table, len(rows), written, perf_counter() - began)

    def _holds(self, table: str, key: str, digest: str) -> bool:
        present = {row[0] for row in self._connection.execute(schema.existing(self._tables))}
        if table not in present:
            return False
        row = self._connection.execute(schema.texts_digest(self._tables, table, key)).fetchone()
        return row is not None and row[1] == digest

    def _drop(self, table: str) -> None:
        # CASCADE drops the chunkings' references to the documents, not their rows.
        self._connection.execute(
            SQL("DROP TABLE IF EXISTS {} CASCADE").format(self._tables.named(table))
        )

    def _copy(self, table: str, key: str, kind: str, rows: Iterable[tuple[Any, str]]) -> None:
        statement = SQL("COPY {} (position, {}, text, embedding) FROM STDIN WITH (FORMAT BINARY)")
        target = statement.format(self._tables.named(table), Identifier(key))
        with self._connection.cursor() as cursor, cursor.copy(target) as copy:
            copy.set_types(["int4", kind, "text", "vector"])
            for position, (value, text) in enumerate(rows):
                (vector,) = self._encoder.embed([text])
                copy.write_row((position, value, text, vector))


def _rows(chunks: Chunks) -> Iterable[tuple[int, str]]:
    """(document's position, text) of every chunk in reading order."""
    starts = np.append(chunks.starts, len(chunks.texts))
    owners = np.repeat(np.arange(len(chunks.starts)), np.diff(starts)).tolist()
    return zip(owners, chunks.texts, strict=True)


def _prepare(connection: Connection, tables: Tables) -> None:
    connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
    connection.execute(SQL("CREATE SCHEMA IF NOT EXISTS {}").format(Identifier(tables.schema)))
    connection.execute(SQL("SET LOCAL statement_timeout = {}").format(Literal(0)))
    register_vector(connection)


def _check_texts(corpus: Corpus) -> None:
    for document_id, text in zip(corpus.ids, corpus.texts, strict=True):
        try:
            whole = f"{document_id}{text}".encode()
        except UnicodeEncodeError:
            whole = b"\0"
        if b"\0" in whole:
            raise DataError(
                f"document '{document_id}' holds a character that PostgreSQL cannot store",
                hint="Remove NUL characters and halves of surrogate pairs from the corpus.",
            )
