"""The indexes of a loaded database, as the engine sees them; and what they truly hold."""

from __future__ import annotations

import json
from threading import RLock
from typing import TYPE_CHECKING, Any

from psycopg.sql import SQL

from orchestra_core.errors import TargetError
from orchestra_core.plan import sha256_of
from orchestra_fiqa_runner.postgres import schema
from orchestra_fiqa_runner.postgres.database import LOAD
from orchestra_fiqa_runner.postgres.digests import digest_of
from orchestra_fiqa_runner.postgres.sides import (
    DenseStatements,
    DocumentVectors,
    LexicalStatements,
    check_ef_search,
    fetch_sample,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestra_fiqa_runner.engine.chunking import Chunking
    from orchestra_fiqa_runner.engine.corpus import Corpus
    from orchestra_fiqa_runner.engine.embedding import Encoder, Vectors
    from orchestra_fiqa_runner.postgres.database import Database
    from orchestra_fiqa_runner.postgres.schema import Tables
    from orchestra_fiqa_runner.settings import PgvectorSettings


class PgIndexes:
    """An `IndexSource` over one database. Threads may share it."""

    def __init__(
        self,
        database: Database,
        tables: Tables,
        corpus: Corpus,
        collections: Mapping[str, Chunking],
        settings: PgvectorSettings,
    ) -> None:
        """Raises TargetError when the database does not hold this corpus, or another text of it."""
        self.corpus = corpus
        self.collections = collections
        self._database = database
        self._tables = tables
        self._settings = settings
        self._samples: dict[str, Vectors] = {}
        self._lock = RLock()
        self._expected = digest_of(zip(corpus.ids, corpus.texts, strict=True))
        self._present = {row[0] for row in database.rows(schema.existing(tables))}
        self._check_documents()

    def encoder(self) -> Encoder:
        """What turns texts into vectors, on this side."""
        from orchestra_fiqa_runner.engine.embedding import load_encoder

        return load_encoder()

    def lexical(self, collection: str, k1: float, b: float) -> LexicalStatements:
        """Full-text search. `k1` and `b` are BM25's and mean nothing here."""
        del k1, b
        normalization = self._settings.rank_normalization
        table = self._table(collection)
        return LexicalStatements(self._database, self._tables, table, normalization)

    def dense(self, collection: str, ef_search: int) -> DenseStatements:
        """Nearest chunks. Raises ExperimentError above pgvector's limit of `ef_search`."""
        check_ef_search(ef_search)
        table = self._table(collection)
        with self._lock:
            if table not in self._samples:
                self._samples[table] = fetch_sample(self._database, self._tables, table)
        asked = None if self._settings.exact else ef_search
        return DenseStatements(self._database, self._tables, table, self._samples[table], asked)

    def document_vectors(self) -> DocumentVectors:
        """Fetched when asked."""
        return DocumentVectors(self._database, self._tables)

    def live_documents(self) -> tuple[int, str]:
        """How many documents there are now, and the corpus hash while the texts are the dataset's."""
        count, digest = self._documents_now()
        same = digest == self._expected
        return count, self.corpus.sha256 if same else f"altered:{digest}"

    def answered(self) -> tuple[str, str] | None:
        """Who answered: URL, numeric address; None for a socket of this machine."""
        return self._database.answered

    def content_hashes(self) -> dict[str, str]:
        """Collection → SHA-256 of its rows and indexes as they are now, for those that are loaded."""
        tables = {name: self._tables.chunks(chunking) for name, chunking in self.collections.items()}
        loaded = {name: table for name, table in tables.items() if table in self._present}
        documents = self._vectors(self._tables.documents)
        return {name: self._content_hash(table, documents) for name, table in loaded.items()}

    def versions(self) -> dict[str, str]:
        """What the server says of itself."""
        query = SQL(
            "SELECT current_setting('server_version'), extversion FROM pg_extension "
            "WHERE extname = 'vector'"
        ).format()
        server, extension = self._database.rows(query)[0]
        return {"PostgreSQL": str(server).split()[0], "pgvector": str(extension)}

    def forget_chunks(self) -> None:
        """Nothing was built here."""

    def close(self) -> None:
        """Disconnect."""
        self._database.close()

    def _content_hash(self, table: str, documents: str) -> str:
        rows, texts = self._database.rows(schema.texts_digest(self._tables, table, "document"))[0]
        indexes = self._database.rows(schema.index_identity(self._tables, table))
        content: dict[str, Any] = {
            "rows": rows,
            "texts": texts,
            "vectors": self._vectors(table),
            "documents": documents,
            "indexes": json.loads(json.dumps(indexes)),
        }
        return sha256_of(content)

    def _vectors(self, table: str) -> str:
        return str(self._database.rows(schema.vectors_digest(self._tables, table))[0][0])

    def _documents_now(self) -> tuple[int, str]:
        table = self._tables.documents
        count, digest = self._database.rows(schema.texts_digest(self._tables, table, "id"))[0]
        return int(count), str(digest)

    def _check_documents(self) -> None:
        name = self._database.server.name
        if self._tables.documents not in self._present:
            raise TargetError("the database does not hold this dataset yet", where=name, hint=LOAD)
        count, digest = self._documents_now()
        if digest != self._expected:
            raise TargetError(
                f"the texts of its {count} documents are not those of the dataset",
                where=name,
                hint=LOAD,
            )

    def _table(self, collection: str) -> str:
        table = self._tables.chunks(self.collections[collection])
        if table not in self._present:
            told = f"the database does not hold collection '{collection}' yet"
            raise TargetError(told, where=self._database.server.name, hint=LOAD)
        return table
