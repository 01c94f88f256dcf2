"""A configuration and a question into one request."""

from __future__ import annotations

import re
from collections.abc import Mapping as MappingType
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from orchestra_core.errors import ExperimentError
from orchestra_fiqa_runner.http.mapping import Mapping, merged
from orchestra_fiqa_runner.http.template import Filling

if TYPE_CHECKING:
    from orchestra_core.plan import Configuration
    from orchestra_core.runner import ParameterValue

QUESTION = "question"
WHERE = "plugins.fiqa.mapping"
_SAMPLE = "question"
_NAME = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_.-]*)")


@dataclass(frozen=True, slots=True)
class Asked:
    """One request, ready for the door."""

    method: str
    path: str
    content: dict[str, Any] | None


class Asking:
    """Writes the requests of one experiment."""

    def __init__(self, mapping: Mapping, parameters: frozenset[str]) -> None:
        """`parameters`: all that configurations of the experiment may have."""
        self._mapping = mapping
        self._known = (
            parameters | mapping.parameters.keys() | _conditions(mapping) | mapping.ignores.keys()
        )
        clash = sorted(mapping.constants.keys() & (self._known | {QUESTION}))
        if clash:
            raise ExperimentError(
                f"'{clash[0]}' is a constant of the mapping and a parameter too",
                where=f"{WHERE}.constants.{clash[0]}",
                hint="Call the constant otherwise.",
            )

    def check(self, configuration: Configuration) -> None:
        """Raises ExperimentError where the mapping would leave the question or a parameter unsaid."""
        filling, _ = self._filled(configuration.parameters, _SAMPLE)
        if QUESTION not in filling.used:
            raise ExperimentError(
                "the mapping never sends the question, so every query would get the same answer",
                where=WHERE,
                hint="Put ${question} where the service expects it, in body, query or path.",
            )
        for name, value in configuration.parameters.items():
            if name not in filling.used and not _among(value, self._mapping.ignores.get(name, ())):
                raise ExperimentError(
                    f"the mapping does not send the parameter '{name}' = {value!r}",
                    where=f"configuration {configuration.config_id}",
                    hint=f"Give it a place in {WHERE}.parameters.{name}, leave it out of the "
                    f"space, or say in {WHERE}.ignores that it means nothing.",
                )

    def request(self, parameters: MappingType[str, ParameterValue], question: str) -> Asked:
        """The request. Raises ExperimentError for a value that the mapping needs and lacks."""
        return self._filled(parameters, question)[1]

    def _filled(
        self, parameters: MappingType[str, ParameterValue], question: str
    ) -> tuple[Filling, Asked]:
        mapping = self._mapping
        known = {**mapping.defaults, **parameters}
        filling = Filling({**mapping.constants, **known, QUESTION: question}, self._known, WHERE)
        template = self._template(known, filling.used)
        body = filling.fill(template)
        query = urlencode({k: _scalar(v) for k, v in filling.fill(mapping.query).items()})
        path = filling.path(mapping.path) + (f"?{query}" if query else "")
        return filling, Asked(mapping.method, path, body or None)

    def _template(self, known: MappingType[str, ParameterValue], used: set[str]) -> dict[str, Any]:
        """The body's template for these values; names that decide which it is count as used."""
        mapping, body = self._mapping, self._mapping.body
        for name, part in mapping.parameters.items():
            if name in known:
                used.add(name)
                body = merged(body, part)
        for case in mapping.cases:
            used |= (case.when.keys() | case.unless.keys()) & known.keys()
            holds = all(_among(known.get(name), values) for name, values in case.when.items())
            if holds and not any(_among(known.get(n), values) for n, values in case.unless.items()):
                body = merged(body, case.body)
        if mapping.others == "body":
            rest = known.keys() - used - _named_in(mapping)
            used |= rest
            body = merged(body, {name: known[name] for name in sorted(rest)})
        return body


def _conditions(mapping: Mapping) -> set[str]:
    return {name for case in mapping.cases for name in (*case.when, *case.unless)}


def _named_in(mapping: Mapping) -> set[str]:
    """Parameters that the fixed parts of a mapping speak of."""
    return set(_NAME.findall(f"{mapping.path} {mapping.query} {mapping.body}"))


def _among(value: object, values: tuple[ParameterValue, ...]) -> bool:
    """Whether a value is one of these; true is not 1."""
    return any(value == one and isinstance(value, bool) == isinstance(one, bool) for one in values)


def _scalar(value: Any) -> str:
    return ("true" if value else "false") if isinstance(value, bool) else str(value)
