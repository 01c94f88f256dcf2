"""The runner's side of the contract: how Orchestra asks a target.

A runner plugin describes itself (`RunnerDescription`, before anything heavy is imported) and opens
a `Runner` for one run. Implementations should inherit the conformance tests of
`orchestra_core.testing`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import TYPE_CHECKING, Any, Literal, Protocol

from orchestra_core.errors import UsageError

if TYPE_CHECKING:
    from orchestra_core.observation import LatencySample, Observation, Query
    from orchestra_core.plan import Configuration

ParameterValue = str | int | float | bool


@dataclass(frozen=True, slots=True)
class Parameter:
    """One knob that a target understands."""

    name: str
    summary: str
    kind: Literal["choice", "integer", "number", "number_or_off", "boolean"]
    short: str = ""
    """Abbreviation in a `config_id`; the full name when empty, nothing at all for `-`."""
    choices: tuple[str, ...] = ()
    """Allowed words where kind is `choice`; empty: any word."""
    minimum: float | None = None
    maximum: float | None = None
    inert_when: Mapping[str, tuple[ParameterValue, ...]] = field(default_factory=dict)
    """Where any named parameter has one of these values, this one has no effect and is left out."""
    default: ParameterValue | None = None


@dataclass(frozen=True, slots=True)
class RunnerDescription:
    """What a runner plugin says of itself before it opens anything."""

    name: str
    backends: tuple[str, ...] = ("default",)
    parameters: tuple[Parameter, ...] | None = None
    """None: any parameter is passed through unchecked."""
    open_parameters: bool = False
    """True: parameters that are not listed are passed through unchecked."""
    defaults: Mapping[str, Any] = field(default_factory=dict)
    """A layer of experiment keys between the core's defaults and the user's file."""
    shares_work: bool = False
    """True: `evaluate` is cheaper with many configurations at once, so units hold all of them."""
    rate_limited: bool = True
    """True: requests count against `runner.rate_limit_per_sec` (network backends)."""
    seconds_per_request: float = 0.1
    """The runner's own guess, used by `orchestra plan` before any run was measured."""


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What is being measured; two runs compare only when these agree."""

    target: str
    """Name and version of the engine or service."""
    corpus_sha256: str
    documents: int
    indexes: Mapping[str, str] = field(default_factory=dict)
    """Collection name → content hash of its index."""
    versions: Mapping[str, str] = field(default_factory=dict)
    """Distribution → version of whatever decides the rankings."""


@dataclass(frozen=True, slots=True)
class Health:
    """The answer to 'can you be asked now?'."""

    ok: bool
    message: str = ""
    hint: str = ""
    details: Mapping[str, Any] = field(default_factory=dict)


def rate_figure(rate: float) -> str:
    """A rate for people, of three digits and whole from a hundred on: `0.25`, `50`, `1,235`."""
    return f"{rate:,.0f}" if rate >= 99.95 else f"{rate:.3g}"


@dataclass(frozen=True, slots=True)
class Load:
    """How a probe drives the target; what each mode means is done by `scheduling.load.drive`.

    `closed`: clients that wait for their answer before they ask again. `open`: requests arrive at a
    rate, whether or not earlier ones were answered. Raises UsageError for a load that cannot be.
    """

    mode: Literal["closed", "open"] = "closed"
    concurrency: int = 1
    """`closed`: clients, each with one request under way."""
    warmup: int = 0
    """Requests sent first and not reported."""
    rate: float = 0.0
    """`open`: arrivals per second."""
    arrivals: Literal["constant", "poisson"] = "constant"
    """`open`: evenly spaced, or independent of each other."""
    seed: int = 0
    """Decides the gaps between `poisson` arrivals."""
    outstanding: int = 512
    """`open`: the most requests under way at once."""

    def __post_init__(self) -> None:
        if self.mode == "open" and not (self.rate > 0 and isfinite(self.rate)):
            raise UsageError(f"an open load needs a rate above zero, not {self.rate:g} per second")
        if min(self.concurrency, self.outstanding) < 1 or self.warmup < 0:
            raise UsageError("a load needs at least one client, and no negative warm-up")

    @property
    def label(self) -> str:
        """For people: `closed, 1 client` or `open, 50/s constant`."""
        if self.mode == "open":
            return f"open, {rate_figure(self.rate)}/s {self.arrivals}"
        return f"closed, {self.concurrency} client{'' if self.concurrency == 1 else 's'}"


class Runner(Protocol):
    """The object that asks the target. One per run; `evaluate` may be called from several threads."""

    def fingerprint(self) -> Fingerprint:
        """What is being measured: index, corpus, versions.

        Asked at the start and again at the end of each stage; what differs then bars publishing.
        """

    def health(self) -> Health:
        """Asked before any query is sent, and again after queries or probes of which some failed.

        Well then: the failures stand. Not well: the run ends, and resumed it asks again what failed.
        """

    def evaluate(
        self, configurations: Sequence[Configuration], queries: Sequence[Query]
    ) -> Iterable[Observation]:
        """Quality: exactly one observation per (configuration, query), in any order.

        May share work over configurations. A failed request is an observation with `failure`,
        not an exception; an exception fails the whole unit.
        """

    def probe(
        self, configuration: Configuration, queries: Sequence[Query], load: Load
    ) -> Iterable[LatencySample]:
        """Latency: every query asked for this configuration alone, nothing shared or cached.

        One sample per query, in any order, timed by `drive`, which knows what `load` means.
        """

    def close(self) -> None:
        """Release what the runner holds; called exactly once."""
