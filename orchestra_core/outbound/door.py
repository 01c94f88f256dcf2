"""The door: one request in, one good reply or one named failure out, whatever lies between.

Each attempt passes in this order: the policy, the peace that the target asked for, the circuit
breakers, a slot, the rate limit, the run's allowance, the transport. Blocking, for use from threads:
measured on one core that is several times faster than an asynchronous client, and runners are called
from threads.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from orchestra_core.errors import AddressRefused, RequestFailed
from orchestra_core.outbound.addresses import Origin, Url, check_target, parse_url
from orchestra_core.outbound.admission import Admission
from orchestra_core.outbound.allowance import Allowance
from orchestra_core.outbound.closing import Closing
from orchestra_core.outbound.policy import Policy, Route
from orchestra_core.outbound.redirects import misled, redirected
from orchestra_core.outbound.replies import REDIRECTS, Reply, Story, added, refused_cost, status_failure
from orchestra_core.outbound.retrying import Waits
from orchestra_core.outbound.upstream import Upstream

if TYPE_CHECKING:
    from tenacity import RetryCallState

    from orchestra_core.outbound.pacing import Pacer
    from orchestra_core.outbound.secrets import Secrets
    from orchestra_core.outbound.transport import Raw, Transport

Emit = Callable[[str, Mapping[str, Any]], None]
REPEATABLE = frozenset({"GET", "HEAD", "PUT", "DELETE", "OPTIONS"})
MOST_HOPS = 5
LONGEST_MESSAGE = 600
"""Characters of a failure's message; a target has its part in it."""
_ACCEPT = ((b"Accept", b"application/json"), (b"Accept-Encoding", b"identity"))
_JSON = (b"Content-Type", b"application/json")
_now = time.perf_counter


@dataclass(frozen=True, slots=True)
class Call:
    """One request, the same at every attempt."""

    method: str
    url: Url
    body: bytes | None
    repeatable: bool
    with_credentials: bool
    group: str
    charge: Callable[[Any], float | None]


@dataclass(frozen=True)
class Manners:
    """How a door behaves; `opening.open_door` reads it from an experiment."""

    timeout_s: float
    retries: int
    backoff_s: float


class Door:
    """The way to the targets of one run. Safe to use from several threads."""

    def __init__(
        self,
        base: Url | None,
        policy: Policy,
        transport: Transport,
        *,
        secrets: Secrets,
        pacer: Pacer,
        allowance: Allowance,
        manners: Manners,
        emit: Emit,
    ) -> None:
        """Use `open_door`. `base`: where paths are asked, None where only addresses are wanted."""
        self.base, self.policy, self.secrets = base, policy, secrets
        self.allowance, self.manners = allowance, manners
        self._transport, self._emit = transport, emit
        transport.tell(self._tell_alias)
        self._closing = Closing()
        self._admission = Admission(pacer, allowance, self._closing)
        self._upstreams: dict[Origin, Upstream] = {}
        self._lock = threading.Lock()
        self._waits = Waits(manners.retries, manners.backoff_s)

    def send(
        self,
        method: str,
        path: str,
        *,
        content: Any = None,
        repeatable: bool | None = None,
        group: str = "",
        charge: Callable[[Any], float | None] = lambda _content: None,
    ) -> Reply:
        """Ask a target, as often as is due, and return its good answer.

        `path`: below `runner.base_url`, beginning with '/'; or a whole address, which the policy must
        allow and which gets no credentials unless it is of the same origin. `content`: JSON values to
        send. `repeatable`: whether sending twice does no harm (None: by method; say True for a POST
        that only searches). `group`: requests that may fail together, such as those of a configuration;
        however they fail, they hold back none of another group. `charge`: the JSON content of a refusal
        (an answer of a failing status) → USD that it says it cost. Raises RequestFailed with reason and
        hint, AddressRefused.
        """
        url = self._url(path)
        call = Call(
            method=method,
            url=url,
            body=None if content is None else json.dumps(content, allow_nan=False).encode(),
            repeatable=method in REPEATABLE if repeatable is None else repeatable,
            with_credentials=self.base is not None and url.origin == self.base.origin,
            group=group,
            charge=charge,
        )
        story, began = Story(), _now()
        try:
            raw = self._repeat(call, story)
        except RequestFailed as error:
            raise self._ended(error, story, began) from None
        finally:
            self.allowance.give_back(story.taken)
        held, total = story.held_s, _now() - began
        return Reply(
            status=raw.status,
            headers=raw.headers,
            body=raw.body,
            attempts=story.attempts,
            latency_ms=1000 * max(0.0, total - held),
            backoff_ms=1000 * story.backoff_s,
            held_ms=1000 * held,
            refused_cost=story.cost,
            sizes=self._transport.sizes,
        )

    def dial_address(self, scheme: str, host: str, port: int) -> tuple[str, int]:
        """The numeric address and port for a client of another protocol, such as a database's.

        Raises AddressRefused for one that is not allowed, RequestFailed for an unknown name.
        """
        route = self._upstream(Origin(scheme, host.lower(), port)).route
        name, number = route.dialled.host, route.dialled.port
        seconds = self.allowance.seconds(self.manners.timeout_s)
        found = self._transport.names.addresses(name, number, seconds)
        self._tell_alias(route)
        return found[0], number

    def redact(self, text: str) -> str:
        """The text without any value of `runner.headers`; for what is written, before it is cut."""
        return self.secrets.redact(text)

    def redact_json(self, value: Any) -> Any:
        """The same for JSON values, keys included."""
        return self.secrets.redact_json(value)

    def close(self) -> None:
        """Send nothing more; whoever waits is told so."""
        self._closing.close()
        self._transport.close()
        with self._lock:
            for upstream in self._upstreams.values():
                upstream.slots.close()

    def _url(self, path: str) -> Url:
        if not path.startswith("/"):
            return parse_url(path)
        if self.base is None:
            raise AddressRefused("runner.base_url is not set", hint="Set it to the target's address.")
        return Url(self.base.origin, check_target(self.base.target.rstrip("/") + path))

    def _upstream(self, origin: Origin) -> Upstream:
        found = self._upstreams.get(origin)
        if found is not None:
            return found
        with self._lock:
            if origin not in self._upstreams:
                route = self.policy.route(origin)
                self._upstreams[origin] = Upstream(route, 2.5 * self.manners.backoff_s)
            return self._upstreams[origin]

    def _tell_alias(self, route: Route) -> None:
        """At each connection: that is where an alias is used."""
        if route.aliased:
            self._record("ALIAS_APPLIED", {"raw": str(route.named), "resolved": str(route.dialled)})

    def _repeat(self, call: Call, story: Story) -> Raw:
        """tenacity around `_follow`."""

        def tell(state: RetryCallState) -> None:
            self._tell_retry(call, story, state)

        def sleep(seconds: float) -> None:
            story.backoff_s += self._closing.pause(seconds)

        retrying = self._waits.retrying(
            repeatable=call.repeatable, before_sleep=tell, sleep=sleep, left_s=self.allowance.left_s
        )
        return retrying(self._follow, call, story)

    def _follow(self, call: Call, story: Story) -> Raw:
        """One attempt, redirects included; each hop is a request of its own, to an allowed origin.

        The time of an attempt is that of all its hops.
        """
        story.under_way_s = 0.0
        for hop in range(MOST_HOPS):
            try:
                raw = self._attempt(call, story)
            except AddressRefused as error:
                raise misled(call.url, error) if hop else error from error
            if raw.status not in REDIRECTS:
                return raw
            onwards = redirected(call.method, call.url, raw)
            self._check_hop(call.url, onwards["url"])
            call = replace(call, **onwards)
        raise RequestFailed(
            "redirect", f"more than {MOST_HOPS} redirects in a row", hint="Ask the last address itself."
        )

    def _check_hop(self, url: Url, onwards: Url) -> None:
        """A target elsewhere sends nobody to this machine: its services may trust who asks from it."""
        try:
            if not self.policy.route(url.origin).dialled.is_loopback:
                self.policy.route(onwards.origin, by_name=True)
        except AddressRefused as error:
            raise misled(url, error) from error

    def _attempt(self, call: Call, story: Story) -> Raw:
        upstream = self._upstream(call.url.origin)
        passage = self._admission.admit(upstream, upstream.lane(call.group), story)
        try:
            raw = self._sent(upstream.route, call, story)
        except BaseException as error:
            passage.over(error)
            raise
        passage.over(None)
        return raw

    def _sent(self, route: Route, call: Call, story: Story) -> Raw:
        seconds = self.allowance.seconds(max(0.0, self.manners.timeout_s - story.under_way_s))
        story.attempts += 1
        target, headers, began = call.url.target, self._headers(call), _now()
        raw = self._transport.attempt(route, call.method, target, headers, call.body, seconds)
        story.under_way_s += _now() - began
        if 200 <= raw.status < 300 or raw.status in REDIRECTS:
            return raw
        told = refused_cost(raw, call.charge, self._transport.sizes)
        story.cost = added(story.cost, told)
        raise status_failure(raw, self.secrets)

    def _headers(self, call: Call) -> list[tuple[bytes, bytes]]:
        headers = [(b"Host", call.url.origin.host_header.encode()), *_ACCEPT]
        if call.body is not None:
            headers.append(_JSON)
        return [*headers, *self.secrets.headers] if call.with_credentials else headers

    def _ended(self, error: RequestFailed, story: Story, began: float) -> RequestFailed:
        clean = RequestFailed(
            error.reason,
            self.secrets.beginning(error.message, LONGEST_MESSAGE),
            hint=self.redact(error.hint),
            details=self.secrets.redact_json(error.details),
        )
        clean.attempts, clean.cost = story.attempts, story.cost
        clean.held_ms, clean.backoff_ms = 1000 * story.held_s, 1000 * story.backoff_s
        clean.latency_ms = max(0.0, 1000 * (_now() - began) - clean.held_ms)
        return clean

    def _tell_retry(self, call: Call, story: Story, state: RetryCallState) -> None:
        outcome: Any = state.outcome
        payload = {
            "method": call.method,
            "url": str(call.url),
            "attempt": state.attempt_number,
            "of": self.manners.retries + 1,
            "sent": story.attempts,
            "wait_s": round(state.upcoming_sleep, 3),
            "error": outcome.exception().as_payload(),
        }
        self._record("RETRY", payload)

    def _record(self, event_type: str, payload: Mapping[str, Any]) -> None:
        if not self._closing.is_closed:
            self._emit(event_type, self.secrets.redact_json(payload))

    def __repr__(self) -> str:
        return f"<Door to {self.base or 'no service'}>"
