"""The tables and their names. A name holds a hash of what the table was made of."""

from __future__ import annotations

from typing import TYPE_CHECKING

from psycopg.sql import SQL, Composed, Identifier, Literal

from orchestra_core.plan import sha256_of
from orchestra_fiqa_runner.engine.embedding import DIMENSIONS
from orchestra_fiqa_runner.engine.recipe import deciding_versions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestra_fiqa_runner.engine.chunking import Chunking

# Raise it when the tables or what is written to them change.
_FORMAT = 1
LANGUAGE = "english"
_CLIENT_SIDE = ("tokenizers", "wordllama")


class Tables:
    """Names in one schema, for one corpus and one way of building."""

    def __init__(self, schema: str, corpus_sha256: str, build: Mapping[str, int]) -> None:
        self.schema = schema
        self._corpus = corpus_sha256
        self._build = dict(build)

    @property
    def documents(self) -> str:
        """The table of whole documents."""
        return f"documents_{self._hash()[:20]}"

    def chunks(self, chunking: Chunking) -> str:
        """The table of one chunking."""
        return f"chunks_{self._hash(chunking.name)[:20]}"

    def named(self, table: str) -> Identifier:
        """A table with its schema, quoted."""
        return Identifier(self.schema, table)

    @property
    def connectivity(self) -> int:
        """Neighbours per chunk in the HNSW graph."""
        return self._build["connectivity"]

    @property
    def expansion_add(self) -> int:
        """Width of the search while the graph is built."""
        return self._build["expansion_add"]

    def _hash(self, chunking: str = "") -> str:
        versions = {name: v for name, v in deciding_versions().items() if name in _CLIENT_SIDE}
        content = {"format": _FORMAT, "corpus": self._corpus, "versions": versions}
        if chunking:
            content |= {"chunking": chunking, "build": self._build, "language": LANGUAGE}
        return sha256_of(content)


def create_documents(tables: Tables) -> Composed:
    """The table of whole documents: position in id order, id, text, and the embedding for MMR."""
    return SQL(
        "CREATE TABLE {} (position integer PRIMARY KEY, id text UNIQUE NOT NULL, text text NOT NULL, "
        "embedding vector({}) NOT NULL)"
    ).format(tables.named(tables.documents), Literal(DIMENSIONS))


def create_chunks(tables: Tables, table: str) -> Composed:
    """The table of a chunking; `words` follows from the text, so the two can't disagree."""
    return SQL(
        "CREATE TABLE {} (position integer PRIMARY KEY, document integer NOT NULL REFERENCES {}, "
        "text text NOT NULL, words tsvector GENERATED ALWAYS AS (to_tsvector({}, text)) STORED, "
        "embedding vector({}) NOT NULL)"
    ).format(
        tables.named(table),
        tables.named(tables.documents),
        SQL("'" + LANGUAGE + "'::regconfig"),
        Literal(DIMENSIONS),
    )


def create_indexes(tables: Tables, table: str) -> list[Composed]:
    """HNSW over inner products (all vectors have length 1 or 0), GIN over words, and by document."""
    name = tables.named(table)
    build = {"m": Literal(tables.connectivity), "width": Literal(tables.expansion_add)}
    graph = SQL(
        "CREATE INDEX {index} ON {table} USING hnsw (embedding vector_ip_ops) "
        "WITH (m={m}, ef_construction={width})"
    ).format(index=Identifier(f"{table}_hnsw"), table=name, **build)
    return [
        graph,
        SQL("CREATE INDEX {} ON {} USING gin (words)").format(Identifier(f"{table}_words"), name),
        SQL("CREATE INDEX {} ON {} (document)").format(Identifier(f"{table}_document"), name),
        SQL("ANALYZE {}").format(name),
    ]


def existing(tables: Tables) -> Composed:
    """The names of all tables of the schema."""
    return SQL("SELECT table_name FROM information_schema.tables WHERE table_schema = {}").format(
        Literal(tables.schema)
    )


def texts_digest(tables: Tables, table: str, key: str) -> Composed:
    """Rows, and a SHA-256 over every key and text as they are now; see `digests`."""
    return SQL(
        "SELECT count(*), encode(sha256(coalesce(string_agg("
        "sha256(convert_to({key}::text, 'UTF8')) || sha256(convert_to(text, 'UTF8')), "
        "''::bytea ORDER BY position), ''::bytea)), 'hex') FROM {table}"
    ).format(key=Identifier(key), table=tables.named(table))


def vectors_digest(tables: Tables, table: str) -> Composed:
    """A SHA-256 over every vector as it is now."""
    return SQL(
        "SELECT encode(sha256(coalesce(string_agg(sha256(vector_send(embedding)), ''::bytea "
        "ORDER BY position), ''::bytea)), 'hex') FROM {}"
    ).format(tables.named(table))


def index_identity(tables: Tables, table: str) -> Composed:
    """What each index is, and the file it is in: a graph that was built again is another graph."""
    return SQL(
        "SELECT c.relname, pg_get_indexdef(c.oid), pg_relation_filenode(c.oid)::text FROM pg_index i "
        "JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = {}::regclass ORDER BY c.relname"
    ).format(Literal(f'"{tables.schema}"."{table}"'))
