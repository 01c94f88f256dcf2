"""What a service answered: ids, scores, cost and times, each checked before it is believed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import jmespath
from jmespath.exceptions import JMESPathError

from orchestra_core.errors import RequestFailed

if TYPE_CHECKING:
    from collections.abc import Callable

    from orchestra_fiqa_runner.http.mapping import AnswerSection, Parts

LONGEST_ID = 1000
_LARGEST = 1e300
_HINT = "Compare plugins.fiqa.mapping.answer with what the target sends."
Expression = Any


@dataclass(frozen=True, slots=True)
class Found:
    """One answer, understood. `scores` is empty or as long as `ids`."""

    ids: tuple[str, ...]
    scores: tuple[float, ...]
    cost: float | None
    breakdown_ms: dict[str, float]


class Answers:
    """Reads the answers of one service."""

    def __init__(self, section: AnswerSection, hide: Callable[[Any], Any]) -> None:
        """`hide`: JSON values without secrets, for what is told of an answer or named after it."""
        self._hide = hide
        self._first_counts = section.repeated == "first"
        self._items, self._id = _compiled(section.items), _compiled(section.id)
        self._score, self._cost = _compiled(section.score), _compiled(section.cost)
        self._failed = _compiled(section.failed_when)
        self._parts = (*_parts(section.breakdown_ms, 1.0), *_parts(section.breakdown_s, 1000.0))

    def read(self, content: Any, most: int | None = None) -> Found:
        """What an answer's content says, in its first `most` items. Raises RequestFailed by name."""
        if self._failed is not None and (said := self._search(self._failed, content)):
            raise _wrong(
                "target_failed", f"the target's answer says that it failed: {self._short(said)}"
            )
        items = self._search(self._items, content)
        if not isinstance(items, list):
            raise _wrong("no_items", f"the answer has no list of items, but {self._short(items)}")
        found: dict[str, float | None] = {}
        for item in items[:most]:
            document_id = self._checked_id(item)
            if document_id in found and not self._first_counts:
                raise _repeated(self._hide(document_id))
            score = self._score_of(item)
            found.setdefault(document_id, score)
        scores = tuple(score for score in found.values() if score is not None)
        return Found(
            ids=tuple(found),
            scores=scores if len(scores) == len(found) else (),
            cost=self._cost_of(content),
            breakdown_ms=self._breakdown(content),
        )

    def cost(self, content: Any) -> float | None:
        """USD of an answer that is of no other use; None where it does not say."""
        try:
            return self._cost_of(content)
        except RequestFailed:
            return None

    def _score_of(self, item: Any) -> float | None:
        if self._score is None:
            return None
        value: float | None = self._search(self._score, item)
        if value is None or _is_number(value):
            return value
        raise _wrong("malformed_score", f"a score is no number: {self._short(value)}")

    def _cost_of(self, content: Any) -> float | None:
        if self._cost is None:
            return None
        value: float | None = self._search(self._cost, content)
        if value is None or (_is_number(value) and value >= 0):
            return value
        raise _wrong("malformed_cost", f"the cost is no amount: {self._short(value)}")

    def _breakdown(self, content: Any) -> dict[str, float]:
        """Times of the target's own are an extra: what is no time there is left out."""
        found: dict[str, float] = {}
        for name, expression, factor in self._parts:
            value = self._search(expression, content)
            given = {name: value} if name else value
            if isinstance(given, dict):
                times = {k: v for k, v in given.items() if _is_number(v) and v >= 0}
                shown = {self._hide(str(key))[:60]: factor * float(time) for key, time in times.items()}
                found.update(shown)
        return found

    def _checked_id(self, item: Any) -> str:
        value = self._search(self._id, item)
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str) or not value or len(value) > LONGEST_ID or not _is_utf8(value):
            raise _wrong("malformed_id", f"an item has no readable id: {self._short(item)}")
        return value

    def _search(self, expression: Expression, content: Any) -> Any:
        search: Callable[[Any], Any] = expression.search
        try:
            return search(content)
        except (JMESPathError, RecursionError) as error:
            told = " ".join(str(self._hide(str(error))).split())[:200]
            raise _wrong("malformed_answer", f"the answer is not as expected: {told}") from error

    def _short(self, value: Any) -> str:
        text = ascii(self._hide(value))
        return text if len(text) <= 100 else f"{text[:97]}…"


def _compiled(text: str | None) -> Expression | None:
    return None if text is None else jmespath.compile(text)


def _parts(parts: Parts | None, factor: float) -> list[tuple[str, Expression, float]]:
    if parts is None:
        return []
    named = {"": parts} if isinstance(parts, str) else parts
    return [(name, jmespath.compile(text), factor) for name, text in named.items()]


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _is_number(value: Any) -> bool:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return number and abs(value) < _LARGEST  # neither NaN nor a whole number beyond any float


def _repeated(document_id: str) -> RequestFailed:
    return RequestFailed(
        "repeated_document",
        f"the answer holds document '{document_id[:60]}' more than once",
        hint="Where the target finds chunks: plugins.fiqa.mapping.answer.repeated: first.",
    )


def _wrong(reason: str, message: str) -> RequestFailed:
    return RequestFailed(reason, message, hint=_HINT)
