"""`fiqa-mini` and `boolq`, as sources that the core opens by name."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from orchestra_core.datasets import Dataset, DatasetSource
from orchestra_fiqa_runner.data.pinned import BOOLQ, FIQA

if TYPE_CHECKING:
    from collections.abc import Sequence


def dataset_sources() -> Sequence[DatasetSource]:
    """Both datasets; nothing is read until one is opened."""
    from orchestra_fiqa_runner.data.cache import location

    return (
        DatasetSource(
            name="fiqa-mini",
            summary="648 questions on personal finance (FiQA test), each with its chosen answer",
            open=_open_fiqa,
            location=partial(location, FIQA),
        ),
        DatasetSource(
            name="boolq",
            summary="15,942 yes/no questions (BoolQ) over 12,271 encyclopaedia passages",
            open=_open_boolq,
            location=partial(location, BOOLQ),
        ),
    )


def _open_fiqa(_: str) -> Dataset:
    from orchestra_fiqa_runner.data import cache, parsing

    path, content = cache.read_member(FIQA)
    return parsing.pairs_dataset("fiqa-mini", path, content, parsing.QuestionAnswer)


def _open_boolq(_: str) -> Dataset:
    from orchestra_fiqa_runner.data import cache, parsing

    path, content = cache.read_member(BOOLQ)
    return parsing.pairs_dataset("boolq", path, content, parsing.QuestionPassage)
