"""The HTTP runner: the core's `Runner` over a service, through the core's door."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from orchestra_core.errors import OrchestraError, RequestFailed
from orchestra_core.observation import Answer, Failure, Observation
from orchestra_core.outbound.health import check_endpoints
from orchestra_core.outbound.replies import added
from orchestra_core.runner import Fingerprint
from orchestra_core.scheduling.load import drive
from orchestra_fiqa_runner.http.answers import Answers, Found
from orchestra_fiqa_runner.http.asking import Asking
from orchestra_fiqa_runner.http.fingerprint import read_fingerprint
from orchestra_fiqa_runner.http.sharing import DEPTH, Shared

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Iterator, Mapping, Sequence

    from orchestra_core.observation import LatencySample, Query
    from orchestra_core.outbound.door import Door
    from orchestra_core.outbound.replies import Reply
    from orchestra_core.plan import Configuration
    from orchestra_core.runner import Health, Load, ParameterValue
    from orchestra_fiqa_runner.http.mapping import Mapping as ServiceMapping

BACKOFF = "backoff"
"""The part of a breakdown that was spent in pauses before repetitions."""


class HttpRunner:
    """Asks a service as a mapping says. `evaluate` and `probe` may be called from several threads."""

    def __init__(
        self,
        door: Door,
        mapping: ServiceMapping,
        asking: Asking,
        configurations: Sequence[Configuration],
        health_endpoints: Sequence[str],
        documents: Container[str],
    ) -> None:
        """`configurations`: all that may be asked about; what shares work is known from them.
        `documents`: the dataset's ids; any other that echoes a secret is redacted.
        """
        self._door, self._mapping, self._asking = door, mapping, asking
        self._documents = documents
        self._answers = Answers(mapping.answer, door.redact_json)
        self._shared = Shared(configurations if mapping.prefix_stable else ())
        self._health_endpoints = health_endpoints
        self._fingerprint: Fingerprint | None = None

    def fingerprint(self) -> Fingerprint:
        """What the service says it serves; no more than its address where it says nothing."""
        self._fingerprint = read_fingerprint(self._door, self._mapping.fingerprint, self._fingerprint)
        return self._fingerprint

    def health(self) -> Health:
        """Asks every health endpoint."""
        return check_endpoints(self._door, self._health_endpoints)

    def evaluate(
        self, configurations: Sequence[Configuration], queries: Sequence[Query]
    ) -> Iterator[Observation]:
        """One observation per pair, in order. Latency is that of the request, unless it was shared."""
        for configuration in configurations:
            for query in queries:
                yield self._observe(configuration, query)

    def probe(
        self, configuration: Configuration, queries: Sequence[Query], load: Load
    ) -> Iterable[LatencySample]:
        """Every request by itself."""
        return drive(configuration.config_id, queries, load, partial(self._timed, configuration))

    def close(self) -> None:
        """Close every connection."""
        self._door.close()

    def _observe(self, configuration: Configuration, query: Query) -> Observation:
        observation = partial(Observation, configuration.config_id, query.query_id)
        try:
            depth = self._shared.depth(configuration)
            if depth is not None:
                found, cost, attempts = self._from_group(configuration, query, depth)
                return observation(found.ids, found.scores, cost=cost, attempts=attempts)
            found, reply = self._ask(configuration, query)
        except OrchestraError as error:
            return observation(
                latency_ms=getattr(error, "latency_ms", None),
                cost=getattr(error, "cost", None),
                attempts=max(1, getattr(error, "attempts", 1)),
                failure=_failure(error),
            )
        return observation(
            found.ids,
            found.scores,
            latency_ms=reply.latency_ms,
            cost=found.cost,
            attempts=reply.attempts,
            breakdown_ms=_breakdown(found, reply.backoff_ms),
        )

    def _from_group(
        self, configuration: Configuration, query: Query, depth: int
    ) -> tuple[Found, float | None, int]:
        """This configuration's part of the group's answer; cost and requests where it asked itself.

        Not timed, so the cost counts in the budget and in no metric.
        """
        parameters = {**configuration.parameters, DEPTH: depth}
        send = partial(self._send, self._shared.name(configuration), parameters, query)
        reply, asked = self._shared.answer(configuration, query.query_id, send)
        most = configuration.parameters[DEPTH]
        try:
            found = self._read(reply, most if isinstance(most, int) else None)
        except RequestFailed as error:
            if not asked:
                error.cost, error.attempts = None, 1
            raise
        return (found, found.cost, reply.attempts) if asked else (found, None, 1)

    def _ask(self, configuration: Configuration, query: Query) -> tuple[Found, Reply]:
        reply = self._send(configuration.config_id, configuration.parameters, query)
        return self._read(reply), reply

    def _send(self, group: str, parameters: Mapping[str, ParameterValue], query: Query) -> Reply:
        asked = self._asking.request(parameters, query.text)
        return self._door.send(
            asked.method,
            asked.path,
            content=asked.content,
            repeatable=self._mapping.repeatable,
            group=group,
            charge=self._answers.cost,
        )

    def _read(self, reply: Reply, most: int | None = None) -> Found:
        content = reply.json()
        try:
            found = self._answers.read(content, most)
        except RequestFailed as error:
            error.cost = self._answers.cost(content)
            raise reply.spent_on(error) from error
        cost = added(found.cost, reply.refused_cost)
        return replace(found, ids=self._without_secrets(found.ids), cost=cost)

    def _without_secrets(self, ids: tuple[str, ...]) -> tuple[str, ...]:
        """Rankings are written down. An id of the dataset is no secret, whatever it holds (`prod-17`
        where a header says `prod`); an unknown one scores zero under any name."""
        joined = "\n".join(ids)
        if self._door.redact(joined) == joined:
            return ids
        shown: dict[str, None] = {}
        for rank, one in enumerate(ids):
            name = one if one in self._documents else self._door.redact(one)
            shown[name if name not in shown else f"{name}~{rank}"] = None
        return tuple(shown)

    def _timed(self, configuration: Configuration, query: Query) -> Answer:
        try:
            found, reply = self._ask(configuration, query)
        except RequestFailed as error:
            return Answer(
                cost=error.cost,
                failure=_failure(error),
                attempts=max(1, error.attempts),
                held_ms=error.held_ms,
                breakdown_ms={BACKOFF: error.backoff_ms} if error.backoff_ms else {},
            )
        return Answer(
            cost=found.cost,
            breakdown_ms=_breakdown(found, reply.backoff_ms),
            attempts=reply.attempts,
            held_ms=reply.held_ms,
        )


def _breakdown(found: Found, backoff_ms: float) -> dict[str, float]:
    return {**found.breakdown_ms, BACKOFF: backoff_ms} if backoff_ms else found.breakdown_ms


def _failure(error: OrchestraError) -> Failure:
    payload = error.as_payload()
    return Failure(payload["type"], payload["msg"], payload["hint"])
