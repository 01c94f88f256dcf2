"""The section `plugins: wordcount:` of the experiment."""

from __future__ import annotations

from pydantic import Field

from orchestra_core import StrictModel


class WordcountSettings(StrictModel):
    """What is not searched over."""

    stop_words: tuple[str, ...] = Field(default=("a", "an", "and", "of", "the"), strict=False)
    """Words that count nothing."""
    twins_after: int = Field(default=20, ge=1)
    """The grid ends once all configurations have given equal scores on this many queries."""
