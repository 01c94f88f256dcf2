"""Datasets from a path or a catalogue: `beir:PATH` and `ir_datasets:ID`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from orchestra_core.datasets import Dataset, DatasetSource
from orchestra_core.errors import DataError, DatasetUnavailable
from orchestra_core.hookspecs import hookimpl

_EXPECTED_FOLDER = "beir:PATH names a folder with corpus.jsonl, queries.jsonl and qrels/*.tsv."


@hookimpl
def orchestra_datasets() -> list[DatasetSource]:
    """The two schemes."""
    return [
        DatasetSource(
            "beir",
            "A BEIR folder: corpus.jsonl, queries.jsonl, qrels/*.tsv",
            open=read_beir,
            is_scheme=True,
            argument="PATH",
        ),
        DatasetSource(
            "ir_datasets",
            "Any data set of the ir_datasets catalogue (extra: orchestra-core[ir-datasets])",
            open=read_ir_datasets,
            is_scheme=True,
            argument="ID",
        ),
    ]


def read_beir(argument: str) -> Dataset:
    """Read a BEIR folder. Raises DatasetUnavailable when it is not there, DataError when malformed.

    Of several splits in `qrels/`, `test.tsv` is read, else the only one there is.
    """
    folder = _folder(argument)
    qrels_path = _qrels_file(folder)
    corpus = {row["_id"]: _document_text(row) for row in _rows(folder / "corpus.jsonl")}
    queries = {row["_id"]: _text(row, "text") for row in _rows(folder / "queries.jsonl")}
    return Dataset(f"beir:{argument}", corpus, queries, _read_qrels(qrels_path), str(qrels_path))


def read_ir_datasets(argument: str) -> Dataset:
    """Read a data set of the ir_datasets catalogue, which downloads it on first use.

    Raises DatasetUnavailable when the extra is not installed, the id unknown or the download failed.
    """
    try:
        import ir_datasets
    except ImportError:
        raise DatasetUnavailable(
            "the ir_datasets package is not installed",
            where=f"ir_datasets:{argument}",
            hint="pip install 'orchestra-core[ir-datasets]'",
        ) from None
    try:
        source = ir_datasets.load(argument)
        corpus = {doc.doc_id: doc.default_text() for doc in source.docs_iter()}
        queries = {query.query_id: query.default_text() for query in source.queries_iter()}
        qrels: dict[str, dict[str, int]] = {}
        for judgement in source.qrels_iter():
            qrels.setdefault(judgement.query_id, {})[judgement.doc_id] = judgement.relevance
    except Exception as error:
        raise DatasetUnavailable(
            f"could not be read: {type(error).__name__}: {error}",
            where=f"ir_datasets:{argument}",
            hint="Check the id in the ir_datasets catalogue, and the network for a first download.",
        ) from error
    return Dataset(f"ir_datasets:{argument}", corpus, queries, qrels)


def _folder(argument: str) -> Path:
    try:
        folder = Path(argument).expanduser()
        folder.stat()
    except FileNotFoundError:  # what is missing in it is told with more words later on
        return folder
    except OSError as error:
        raise _unusable(argument, str(error.strerror)) from None
    except (ValueError, RuntimeError) as error:  # a NUL byte; `~user` of no user
        raise _unusable(argument, str(error)) from None
    return folder


def _unusable(argument: str, reason: str) -> DatasetUnavailable:
    return DatasetUnavailable(
        f"not a usable path: {reason}", where=f"beir:{argument!r}", hint=_EXPECTED_FOLDER
    )


def _qrels_file(folder: Path) -> Path:
    if not folder.exists():
        where = str(folder.absolute())
        raise DatasetUnavailable("there is no such folder", where=where, hint=_EXPECTED_FOLDER)
    files = sorted((folder / "qrels").glob("*.tsv"))
    for path in files:
        if path.name == "test.tsv":
            return path
    if len(files) == 1:
        return files[0]
    found = f"found {', '.join(p.name for p in files)}" if files else "found none"
    raise DatasetUnavailable(
        f"expected qrels/test.tsv, or just one qrels/*.tsv; {found}",
        where=str(folder),
        hint=_EXPECTED_FOLDER,
    )


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    seen: set[str] = set()
    for number, line in _lines(path):
        try:
            row = json.loads(line)
        except ValueError as error:
            raise _malformed(path, number, f"not valid JSON: {error}") from None
        if not isinstance(row, dict) or not isinstance(row.get("_id"), str) or not row["_id"]:
            raise _malformed(path, number, 'expected an object with a non-empty text "_id"')
        if row["_id"] in seen:
            raise _malformed(path, number, f"the _id '{row['_id']}' stands twice")
        seen.add(row["_id"])
        yield row


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    try:
        with path.open(encoding="utf-8") as stream:
            for number, line in enumerate(stream, 1):
                if line.strip():
                    yield number, line.rstrip("\n")
    except OSError as error:
        raise DatasetUnavailable(
            f"cannot read it: {error.strerror}",
            where=str(path),
            hint=_EXPECTED_FOLDER,
        ) from None
    except UnicodeDecodeError as error:
        raise DataError(f"not UTF-8 text: {error.reason}", where=str(path)) from None


def _document_text(row: dict[str, Any]) -> str:
    return f"{_text(row, 'title')} {_text(row, 'text')}".strip()


def _text(row: dict[str, Any], key: str) -> str:
    value = row.get(key)
    return "" if value is None else str(value)


def _read_qrels(path: Path) -> dict[str, dict[str, int]]:
    qrels: dict[str, dict[str, int]] = {}
    for number, line in _lines(path):
        parts = line.split("\t")
        if number == 1 and parts[-1].strip().lower() == "score":
            continue
        try:
            query_id, document_id, grade = parts
            qrels.setdefault(query_id, {})[document_id] = int(grade)
        except ValueError:
            raise _malformed(
                path, number, "expected query-id, corpus-id and a whole number, tab-separated"
            ) from None
    return qrels


def _malformed(path: Path, number: int, problem: str) -> DataError:
    return DataError(problem, where=f"{path}, line {number}", hint="Correct or remove that line.")
