"""Corpus, queries and relevance judgements, and the sources they come from.

Plugins register a `DatasetSource` per name; `beir:PATH` and `ir_datasets:ID` are schemes that the
core's own built-in plugin registers in the same way. Sources are opened by name with
`open_dataset`, which also checks what no parser can: that the three parts agree.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from orchestra_core.errors import DataError
from orchestra_core.observation import Query


@dataclass(frozen=True)
class Dataset:
    """Labelled queries over a corpus, wholly in memory.

    `corpus`: document id → text; `queries`: query id → text; `qrels`: query id → document id →
    grade (integers; 0 is judged and not relevant). Ids are non-empty strings.
    Raises DataError when the qrels name unknown ids, or no query has a relevant document.
    """

    name: str
    corpus: Mapping[str, str] = field(repr=False)
    queries: Mapping[str, str] = field(repr=False)
    qrels: Mapping[str, Mapping[str, int]] = field(repr=False)
    where: str = ""
    """The file or package it was read from, for messages."""
    _memo: dict[str, str] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check_agreement(self)

    def judged_queries(self) -> tuple[Query, ...]:
        """Queries with at least one relevant document, in id order."""
        judged = (q for q, grades in self.qrels.items() if any(g > 0 for g in grades.values()))
        return tuple(Query(q, self.queries[q]) for q in sorted(judged))

    @property
    def corpus_sha256(self) -> str:
        """Content hash of ids and texts, independent of their order."""
        return self._hashed("corpus", lambda: _hash_pairs(self.corpus))

    @property
    def sha256(self) -> str:
        """Content hash of corpus, queries and qrels."""
        return self._hashed("all", lambda: _hash_pairs(self.parts_sha256))

    @property
    def parts_sha256(self) -> dict[str, str]:
        """Content hashes of `corpus`, `queries` and `qrels`, each independent of order."""
        return {
            "corpus": self.corpus_sha256,
            "queries": self._hashed("queries", lambda: _hash_pairs(self.queries)),
            "qrels": self._hashed("qrels", lambda: _hash_pairs(self._grades())),
        }

    def _hashed(self, key: str, compute: Callable[[], str]) -> str:
        if key not in self._memo:
            self._memo[key] = compute()
        return self._memo[key]

    def _grades(self) -> dict[str, str]:
        return {f"{q}\x1f{d}": str(g) for q, row in self.qrels.items() for d, g in row.items()}


def unknown_place() -> Path | None:
    """For sources that cannot tell whether their data is here."""
    return None


@dataclass(frozen=True, slots=True)
class DatasetSource:
    """A dataset that can be opened by name, or a scheme such as `beir` that opens `beir:REST`."""

    name: str
    summary: str
    open: Callable[[str], Dataset]
    """Called with what follows the colon (empty for a plain name). Raises DatasetUnavailable when
    the data is not here and cannot be fetched, DataError when it is malformed."""
    is_scheme: bool = False
    location: Callable[[], Path | None] = unknown_place
    """Where the data lies on this machine once pulled; None when it is not here."""
    argument: str = ""
    """For schemes: what follows the colon, such as `PATH`."""

    @property
    def is_missing(self) -> bool:
        """True when the source knows that its data was never pulled to this machine."""
        return self.location is not unknown_place and self.location() is None


def _hash_pairs(pairs: Mapping[str, str]) -> str:
    digest = hashlib.sha256()
    for key in sorted(pairs):
        # JSON can hold half a surrogate pair; broken text is still text that can be told apart.
        text = f"{len(key)}:{key}{len(pairs[key])}:{pairs[key]}"
        digest.update(text.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def _check_agreement(dataset: Dataset) -> None:
    _check_ids(dataset)
    for query_id, grades in dataset.qrels.items():
        if query_id not in dataset.queries:
            raise _unknown_id(dataset, "query", query_id)
        for document_id in grades:
            if document_id not in dataset.corpus:
                raise _unknown_id(dataset, "document", document_id)
    if not any(grade > 0 for grades in dataset.qrels.values() for grade in grades.values()):
        raise DataError(
            f"dataset '{dataset.name}' has no query with a relevant document",
            where=dataset.where,
            hint="Give at least one judgement with a grade above 0.",
        )


def _check_ids(dataset: Dataset) -> None:
    for kind, ids in (("document", dataset.corpus), ("query", dataset.queries)):
        for found in ids:
            if not found or any(character.isspace() for character in found):
                raise DataError(
                    f"{found!r} is no {kind} id: run files separate ids by white space",
                    where=dataset.where,
                    hint="Use ids without white space.",
                )


def _unknown_id(dataset: Dataset, kind: str, unknown: str) -> DataError:
    return DataError(
        f"the qrels name {kind} '{unknown}', which dataset '{dataset.name}' does not have",
        where=dataset.where,
        hint=f"Remove that judgement, or add the {kind}; check that both use the same ids.",
    )
