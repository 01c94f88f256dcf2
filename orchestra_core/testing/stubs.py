"""Stub plugins: a runner whose quality is known beforehand, a dataset, a reporter.

Nothing here uses a clock (unless a target is told to wait) or a random generator: whether the stub
target finds a query's document follows from a hash, so a test gives the same answer on every machine
and in every order.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

from orchestra_core.datasets import Dataset, DatasetSource
from orchestra_core.hookspecs import hookimpl
from orchestra_core.observation import Answer, Failure, LatencySample, Observation, Query
from orchestra_core.runner import (
    Fingerprint,
    Health,
    Load,
    Parameter,
    ParameterValue,
    RunnerDescription,
)
from orchestra_core.scheduling.load import drive

if TYPE_CHECKING:
    from orchestra_core.payloads import DescribeRequest, ReportRequest, RunnerRequest
    from orchestra_core.plan import Configuration
    from orchestra_core.report import Report

Parameters = Mapping[str, ParameterValue]
Formula = Callable[[Parameters], float]
DATASET = "stub"
PARAMETERS = (
    Parameter(
        "quality",
        "Chance of finding the document",
        "number",
        short="q",
        minimum=0,
        maximum=1,
        default=0.5,
    ),
    Parameter("top_k", "Documents returned", "integer", short="k", minimum=1, default=10),
    Parameter("delay", "Milliseconds per request", "number", short="d", minimum=0, default=1.0),
)
EXPERIMENT: Mapping[str, Any] = {
    "name": "stub",
    "dataset": DATASET,
    "baseline": {"quality": 0.3},
    "space": {"quality": [0.3, 0.5, 0.9]},
    "stages": {
        "smoke": {"sample": 5},
        "grid": {"sample": 20, "budget": 1.0, "probe": 2},
        "ab": {"sample": 40},
    },
}


def make_dataset(n_queries: int = 120, n_docs: int = 200, name: str = DATASET) -> Dataset:
    """A dataset in which each query has exactly one relevant document."""
    corpus = {f"d{i:04}": f"document {i} about topic {i % 7}" for i in range(n_docs)}
    queries = {f"q{i:04}": f"question {i} about topic {i % 7}" for i in range(n_queries)}
    qrels = {f"q{i:04}": {f"d{i % n_docs:04}": 1} for i in range(n_queries)}
    return Dataset(name, corpus, queries, qrels, where="orchestra_core.testing")


def chance(*parts: object) -> float:
    """A number in [0, 1) that follows from the parts alone."""
    digest = hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest()
    return int.from_bytes(digest[:7], "big") / 2**56


@dataclass(eq=False)
class StubTarget:
    """How the stub's target behaves. Plain values, or functions of a configuration's parameters."""

    quality: Formula | Mapping[str, float] = lambda parameters: float(parameters.get("quality", 0.5))
    """Chance that a query's document is found: a formula, or config_id → chance."""
    latency_ms: Formula | float = lambda parameters: float(parameters.get("delay", 1.0))
    """What a request is said to take; nothing waits."""
    cost: Formula | float | None = None
    """USD per request."""
    nested: bool = True
    """True: the better of two configurations finds all that the other finds. False: independent."""
    failing: Callable[[str, str], bool] = lambda _config_id, _query_id: False
    """Which (config_id, query_id) fail, with reason `stub_failure`."""
    raises: BaseException | None = None
    """Raised by every `evaluate`."""
    raises_in_probe: BaseException | None = None
    """Raised by every `probe`."""
    blocked_by: threading.Event | None = None
    """`evaluate` waits for this event: a target that hangs until the test lets go."""
    waits: bool = False
    """True: a probe really takes `latency_ms` per request, one request at a time."""
    timed: bool = False
    """True: `evaluate` times requests itself, so the grid needs no probes."""
    shares_work: bool = False
    healthy: bool = True
    index: str = "1"
    """Stands for the content of the index; change it during a run to swap the index under it."""
    foreign_ids: bool = False
    """True: rankings name documents that the dataset does not have."""
    seed: int = 0

    def place(self, configuration: Configuration, query_id: str, places: int) -> int | None:
        """Where (from 0, below `places`) this query's document is found; None when it is not.

        The better a configuration, the more it finds and the higher it ranks what it finds.
        """
        own = "" if self.nested else configuration.config_id
        quality, luck = self._quality(configuration), chance(self.seed, own, query_id)
        return int(places * luck / quality) if luck < quality else None

    def milliseconds(self, configuration: Configuration, query_id: str) -> float:
        """The latency, with a spread of 10% that both arms of a comparison share."""
        base = self.latency_ms
        mean = base(configuration.parameters) if callable(base) else base
        return mean * (0.95 + 0.1 * chance("latency", query_id))

    def dollars(self, configuration: Configuration) -> float | None:
        """What a request of this configuration costs."""
        return self.cost(configuration.parameters) if callable(self.cost) else self.cost

    def _quality(self, configuration: Configuration) -> float:
        if callable(self.quality):
            return self.quality(configuration.parameters)
        return self.quality[configuration.config_id]


@dataclass(eq=False)
class OpenStub:
    """The stub's `Runner`."""

    target: StubTarget
    dataset: Dataset
    calls: list[tuple[str, tuple[str, ...], tuple[str, ...]]]
    """(method, config_ids, query_ids) of every call; shared with the plugin that opened it."""
    closed: int = 0
    loads: list[Load] = field(default_factory=list)
    """The load of every probe, in order."""
    busy: threading.Lock = field(default_factory=threading.Lock, repr=False)
    """Held by the one request that a target that `waits` serves at a time."""

    def fingerprint(self) -> Fingerprint:
        """Made of the dataset and the target's `index`."""
        corpus = self.dataset.corpus
        index = {"stub": hashlib.sha256(self.target.index.encode()).hexdigest()}
        return Fingerprint("stub 1", self.dataset.corpus_sha256, len(corpus), index)

    def health(self) -> Health:
        """As the target was told to be."""
        if self.target.healthy:
            return Health(ok=True, message="the stub is well")
        return Health(ok=False, message="the stub is unwell", hint="Make it healthy.")

    def evaluate(
        self, configurations: Sequence[Configuration], queries: Sequence[Query]
    ) -> Iterator[Observation]:
        """One observation per pair."""
        self._note("evaluate", configurations, queries)
        if self.target.blocked_by is not None:
            self.target.blocked_by.wait()
        if self.target.raises is not None:
            raise self.target.raises
        for configuration in configurations:
            for query in queries:
                yield self._observation(configuration, query.query_id)

    def probe(
        self, configuration: Configuration, queries: Sequence[Query], load: Load
    ) -> Iterator[LatencySample]:
        """One sample per query; nothing waits and no warm-up is asked unless the target `waits`."""
        self._note("probe", [configuration], queries)
        self.loads.append(load)
        if self.target.raises_in_probe is not None:
            raise self.target.raises_in_probe
        if self.target.waits:
            yield from drive(configuration.config_id, queries, load, partial(self._wait, configuration))
            return
        for query in queries:
            yield self._sample(configuration, query.query_id)

    def close(self) -> None:
        """Count how often it was called."""
        self.closed += 1

    def _note(
        self, method: str, configurations: Sequence[Configuration], queries: Sequence[Query]
    ) -> None:
        asked = tuple(query.query_id for query in queries)
        self.calls.append((method, tuple(c.config_id for c in configurations), asked))

    def _observation(self, configuration: Configuration, query_id: str) -> Observation:
        target, config_id = self.target, configuration.config_id
        if failure := self._failure(config_id, query_id):
            return Observation(config_id, query_id, failure=failure)
        ranking = self._ranking(configuration, query_id)
        return Observation(
            config_id,
            query_id,
            ranking=ranking,
            scores=tuple(1.0 / rank for rank in range(1, len(ranking) + 1)),
            latency_ms=target.milliseconds(configuration, query_id) if target.timed else None,
            cost=target.dollars(configuration) if target.timed else None,
            breakdown_ms={"search": target.milliseconds(configuration, query_id)},
        )

    def _sample(self, configuration: Configuration, query_id: str) -> LatencySample:
        milliseconds = self.target.milliseconds(configuration, query_id)
        return LatencySample(
            configuration.config_id,
            query_id,
            milliseconds,
            cost=self.target.dollars(configuration),
            breakdown_ms={"search": milliseconds},
            failure=self._failure(configuration.config_id, query_id),
        )

    def _wait(self, configuration: Configuration, query: Query) -> Answer:
        with self.busy:
            time.sleep(self.target.milliseconds(configuration, query.query_id) / 1000)
        failure = self._failure(configuration.config_id, query.query_id)
        return Answer(cost=self.target.dollars(configuration), failure=failure)

    def _failure(self, config_id: str, query_id: str) -> Failure | None:
        if not self.target.failing(config_id, query_id):
            return None
        return Failure("stub_failure", "the stub was told to fail", "Tell it otherwise.")

    def _ranking(self, configuration: Configuration, query_id: str) -> tuple[str, ...]:
        size = int(configuration.parameters.get("top_k", 10))
        relevant = self.dataset.qrels[query_id]
        others = [d for d in self.dataset.corpus if d not in relevant]
        start = int(chance("filler", query_id) * len(others))
        filler = [others[(start + i) % len(others)] for i in range(min(size, len(others)))]
        ranking = filler
        place = self.target.place(configuration, query_id, min(size, 10))
        if place is not None:
            ranking = [*filler[:place], *relevant, *filler[place:]][:size]
        return tuple(f"foreign-{d}" for d in ranking) if self.target.foreign_ids else tuple(ranking)


@dataclass(eq=False)  # pluggy takes equal plugins for one
class StubRunner:
    """The runner plugin; change `target` to change how it behaves."""

    target: StubTarget = field(default_factory=StubTarget)
    parameters: tuple[Parameter, ...] | None = PARAMETERS
    defaults: Mapping[str, Any] = field(default_factory=lambda: dict(EXPERIMENT))
    calls: list[tuple[str, tuple[str, ...], tuple[str, ...]]] = field(default_factory=list)
    opened: list[OpenStub] = field(default_factory=list)
    requests: list[RunnerRequest] = field(default_factory=list)

    @hookimpl
    def orchestra_describe_runner(self, request: DescribeRequest) -> RunnerDescription:
        """The parameters `quality`, `top_k` and `delay`, and a small default experiment."""
        return RunnerDescription(
            "stub",
            parameters=self.parameters,
            defaults=self.defaults,
            shares_work=self.target.shares_work,
            rate_limited=False,
        )

    @hookimpl
    def orchestra_runner(self, request: RunnerRequest) -> OpenStub:
        """A new open stub."""
        self.requests.append(request)
        self.opened.append(OpenStub(self.target, request.dataset, self.calls))
        return self.opened[-1]

    def asked(self, method: str = "evaluate") -> list[tuple[str, str]]:
        """Every (config_id, query_id) that was asked with a method, in order."""
        return [(c, q) for name, cs, qs in self.calls if name == method for c in cs for q in qs]


@dataclass(eq=False)
class StubDatasets:
    """A plugin with datasets that lie in memory."""

    datasets: Sequence[Dataset] = field(default_factory=lambda: [make_dataset()])

    @hookimpl
    def orchestra_datasets(self) -> list[DatasetSource]:
        """One source per dataset."""
        return [self._source(dataset) for dataset in self.datasets]

    @staticmethod
    def _source(dataset: Dataset) -> DatasetSource:
        return DatasetSource(dataset.name, "A stub", open=lambda _rest: dataset)


@dataclass(eq=False)
class StubReporter:
    """A reporter that remembers the reports it saw, and writes `stub.json`."""

    reports: list[Report] = field(default_factory=list)

    @hookimpl
    def orchestra_report(self, request: ReportRequest) -> None:
        """Write run id, status and verdict."""
        report = request.report
        self.reports.append(report)
        request.artifacts.write_json(
            "stub.json",
            {
                "run_id": report.run_id,
                "status": report.status,
                "verdict": report.verdict.kind if report.verdict else None,
                "plugins": [record.name for record in report.plugins],
            },
        )
