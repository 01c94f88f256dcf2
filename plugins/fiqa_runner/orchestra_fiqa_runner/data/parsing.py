"""Lines of question and text, as a dataset in which each question has one relevant document."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from orchestra_core.datasets import Dataset
from orchestra_core.errors import DataError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_HINT = "The file was altered or truncated: delete it, and it is fetched again at the next run."


class QuestionAnswer(BaseModel):
    """A line of FiQA: a question, and the answer that people chose."""

    model_config = ConfigDict(strict=True, extra="ignore")
    question: str = Field(min_length=1)
    text: str = Field(min_length=1, alias="answer")


class QuestionPassage(BaseModel):
    """A line of BoolQ: a question, and the passage that settles it."""

    model_config = ConfigDict(strict=True, extra="ignore")
    question: str = Field(min_length=1)
    text: str = Field(min_length=1, alias="passage")


Pair = type[QuestionAnswer] | type[QuestionPassage]


def pairs_dataset(name: str, path: Path, content: bytes, pair: Pair) -> Dataset:
    """A dataset of question → text pairs in the order of the file.

    Equal texts become one document, named by its first line; every line stays a query of its own.
    Ids count from 1 with as many digits as the file needs (`q0001`, `d0001`). Raises DataError.
    """
    rows = list(_rows(path, content, pair))
    digits = max(4, len(str(len(rows))))
    documents: dict[str, str] = {}
    queries: dict[str, str] = {}
    qrels: dict[str, dict[str, int]] = {}
    for number, (question, text) in enumerate(rows, start=1):
        document_id = documents.setdefault(text, f"d{len(documents) + 1:0{digits}}")
        query_id = f"q{number:0{digits}}"
        queries[query_id] = question
        qrels[query_id] = {document_id: 1}
    corpus = {document_id: text for text, document_id in documents.items()}
    return Dataset(name=name, corpus=corpus, queries=queries, qrels=qrels, where=str(path))


def _rows(path: Path, content: bytes, pair: Pair) -> Iterator[tuple[str, str]]:
    for number, line in enumerate(content.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = pair.model_validate(json.loads(line))
        except ValidationError as error:
            raise _malformed(path, number, _first_problem(error)) from error
        except ValueError as error:  # not JSON, or not UTF-8
            raise _malformed(path, number, f"not a JSON object: {error}") from error
        yield row.question, row.text


def _first_problem(error: ValidationError) -> str:
    problem = error.errors()[0]
    return f"{'.'.join(map(str, problem['loc'])) or 'line'}: {problem['msg']}"


def _malformed(path: Path, number: int, problem: str) -> DataError:
    return DataError(problem, where=f"{path}:{number}", hint=_HINT)
