"""The two sides of the search, each a statement or two; fusion and diversity are the engine's own."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from psycopg.sql import SQL, Composed, Literal

from orchestra_core.errors import ExperimentError
from orchestra_fiqa_runner.engine.embedding import DIMENSIONS
from orchestra_fiqa_runner.engine.fusion import NOTHING_FOUND, Found
from orchestra_fiqa_runner.engine.hits import Documents, Hits, Scores
from orchestra_fiqa_runner.postgres.schema import LANGUAGE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from orchestra_fiqa_runner.engine.embedding import Vectors
    from orchestra_fiqa_runner.postgres.database import Database, Row
    from orchestra_fiqa_runner.postgres.schema import Tables

MAX_EF_SEARCH = 1000
"""pgvector's own limit."""
SAMPLE = 1024

# Any word of the question may match: its stems, quoted, joined by `|`. plainto_tsquery would ask for
# all of them at once, and a question of ten words would find nothing.
_QUESTION = SQL(
    "(SELECT string_agg('''' || replace(replace(lexeme, '\\', '\\\\'), '''', '''''') || '''', ' | ')"
    "::tsquery AS question FROM unnest(to_tsvector({language}, %(text)s)))"
).format(language=SQL("'" + LANGUAGE + "'::regconfig"))


class LexicalStatements:
    """Full-text search of one collection: `ts_rank_cd` over stems, any of which may match.

    That is no BM25: PostgreSQL knows nothing of how rare a word is in the collection.
    """

    def __init__(self, database: Database, tables: Tables, table: str, normalization: int) -> None:
        self._database = database
        parts = {
            "table": tables.named(table),
            "question": _QUESTION,
            "rank": SQL("max(ts_rank_cd(words, question, {}))::float8").format(Literal(normalization)),
        }
        self._find = SQL(
            "SELECT document, {rank} FROM {question} AS q, {table} WHERE words @@ question "
            "GROUP BY document ORDER BY 2 DESC, 1 LIMIT %(depth)s"
        ).format(**parts)
        self._score = SQL(
            "SELECT document, {rank} FROM {question} AS q, {table} WHERE words @@ question "
            "AND document = ANY(%(documents)s) GROUP BY document"
        ).format(**parts)

    def find(self, text: str, depth: int) -> Found:
        """The `depth` best documents; equal ranks in the order of ids."""
        hits = _hits(self._database.rows(self._find, {"text": text, "depth": depth}))
        return Found(hits, lambda documents: self._scores(text, hits, documents), 0.0)

    def _scores(self, text: str, hits: Hits, documents: Documents) -> Scores:
        found, unknown = _known(hits, documents)
        if unknown:
            found |= _pairs(self._database.rows(self._score, {"text": text, "documents": unknown}))
        return np.array([found.get(d, 0.0) for d in documents.tolist()], dtype=np.float64)


class DenseStatements:
    """Nearest chunks of one collection by inner product: by its HNSW graph, or compared one by one."""

    def __init__(
        self, database: Database, tables: Tables, table: str, sample: Vectors, ef_search: int | None
    ) -> None:
        """`ef_search` None: every chunk is compared."""
        self._database = database
        self._sample = sample
        self._ef_search = ef_search
        parts = {"table": tables.named(table)}
        self._find = SQL(
            "WITH near AS MATERIALIZED (SELECT document FROM {table} "
            "ORDER BY embedding <#> %(vector)b LIMIT %(chunks)s) "
            "SELECT document, max(-(embedding <#> %(vector)b)) FROM {table} "
            "WHERE document = ANY(ARRAY(SELECT document FROM near)) "
            "GROUP BY document ORDER BY 2 DESC, 1 LIMIT %(depth)s"
        ).format(**parts)
        self._score = SQL(
            "SELECT document, max(-(embedding <#> %(vector)b)) FROM {table} "
            "WHERE document = ANY(%(documents)s) GROUP BY document"
        ).format(**parts)

    def find(self, vector: NDArray[np.float32], depth: int) -> Found:
        """The documents of the nearest chunks; at most `ef_search` chunks where the graph is used."""
        if not vector.any():
            return NOTHING_FOUND
        chunks, local = depth, []
        if self._ef_search is not None:
            chunks = min(depth, self._ef_search)
            local = [("hnsw.ef_search", str(self._ef_search))]
        asked = {"vector": vector, "chunks": chunks, "depth": depth}
        hits = _hits(self._database.rows(self._find, asked, local))
        floor = float(np.vecdot(self._sample, vector).min())
        return Found(hits, lambda documents: self._scores(vector, hits, documents), floor)

    def _scores(self, vector: NDArray[np.float32], hits: Hits, documents: Documents) -> Scores:
        found, unknown = _known(hits, documents)
        if unknown:
            found |= _pairs(self._database.rows(self._score, {"vector": vector, "documents": unknown}))
        return np.array([found.get(d, 0.0) for d in documents.tolist()], dtype=np.float64)


class DocumentVectors:
    """Vectors of whole documents, fetched for the candidates of each request."""

    def __init__(self, database: Database, tables: Tables) -> None:
        self._database = database
        self._fetch = SQL(
            "SELECT position, embedding FROM {} WHERE position = ANY(%(positions)s)"
        ).format(tables.named(tables.documents))

    def __getitem__(self, documents: NDArray[np.int64], /) -> Vectors:
        """float32 of shape (*documents.shape, 256)."""
        positions, inverse = np.unique(documents, return_inverse=True)
        found: dict[int, Any] = dict(
            self._database.rows(self._fetch, {"positions": positions.tolist()})
        )
        rows = np.zeros((len(positions), DIMENSIONS), dtype=np.float32)
        for row, position in enumerate(positions.tolist()):
            rows[row] = found[position].to_numpy() if position in found else 0.0
        return rows[inverse].reshape(*documents.shape, DIMENSIONS)


def fetch_sample(database: Database, tables: Tables, table: str) -> Vectors:
    """1,024 chunk vectors spread evenly over a collection, as the embedded engine samples them."""
    name = tables.named(table)
    (count,) = database.rows(SQL("SELECT count(*) FROM {}").format(name))[0]
    spread = np.linspace(0, count - 1, num=min(SAMPLE, count)).astype(np.int64).tolist()
    query: Composed = SQL(
        "SELECT embedding FROM {} WHERE position = ANY(%(positions)s) ORDER BY position"
    ).format(name)
    rows = database.rows(query, {"positions": spread})
    return np.array([row[0].to_numpy() for row in rows], dtype=np.float32).reshape(-1, DIMENSIONS)


def check_ef_search(ef_search: int) -> None:
    """Raises ExperimentError above pgvector's limit."""
    if ef_search > MAX_EF_SEARCH:
        raise ExperimentError(
            f"ef_search {ef_search} is more than pgvector allows, which is {MAX_EF_SEARCH}",
            where="space.ef_search",
            hint="Lower it; plugins.fiqa.pgvector.exact: true compares with every chunk instead.",
        )


def _hits(rows: Sequence[Row]) -> Hits:
    documents = np.array([row[0] for row in rows], dtype=np.int64)
    return Hits(documents, np.array([row[1] for row in rows], dtype=np.float64))


def _pairs(rows: Sequence[Row]) -> Mapping[int, float]:
    return {row[0]: row[1] for row in rows}


def _known(hits: Hits, documents: Documents) -> tuple[dict[int, float], list[int]]:
    """What the hits tell already, and the documents that must be asked."""
    found: dict[int, Any] = dict(zip(hits.documents.tolist(), hits.scores.tolist(), strict=True))
    return found, [document for document in documents.tolist() if document not in found]
