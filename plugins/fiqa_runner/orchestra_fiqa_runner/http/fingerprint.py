"""What a service says it serves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import jmespath
from jmespath.exceptions import JMESPathError

from orchestra_core.errors import RequestFailed
from orchestra_core.runner import Fingerprint

if TYPE_CHECKING:
    from orchestra_core.outbound.door import Door
    from orchestra_fiqa_runner.http.mapping import FingerprintSection


def read_fingerprint(
    door: Door, section: FingerprintSection | None, before: Fingerprint | None
) -> Fingerprint:
    """Ask the service. One that does not have the path is known by its address alone.

    Raises RequestFailed where the service answered `before` and does not now; a service that never
    answered is left to the health check, which says more.
    """
    plain = Fingerprint(target=str(door.base), corpus_sha256="", documents=0)
    if section is None:
        return plain
    try:
        said = door.redact_json(door.send("GET", section.path).json())
    except RequestFailed:
        if before is None or before == plain:
            return plain
        raise
    return Fingerprint(
        target=f"{_text(section.target, said)} at {door.base}".removeprefix(" at "),
        corpus_sha256=_text(section.corpus_sha256, said),
        documents=_count(section.documents, said),
        indexes=_texts(section.indexes, said),
        versions=_texts(section.versions, said),
    )


def _said(expression: str | None, content: Any) -> Any:
    try:
        return None if expression is None else jmespath.search(expression, content)
    except JMESPathError:
        return None


def _text(expression: str | None, content: Any) -> str:
    value = _said(expression, content)
    return value[:200] if isinstance(value, str) else ""


def _count(expression: str | None, content: Any) -> int:
    value = _said(expression, content)
    return value if isinstance(value, int) and not isinstance(value, bool) else 0


def _texts(expression: str | None, content: Any) -> dict[str, str]:
    value = _said(expression, content)
    if not isinstance(value, dict):
        return {}
    return {str(k)[:200]: str(v)[:200] for k, v in sorted(value.items())}
