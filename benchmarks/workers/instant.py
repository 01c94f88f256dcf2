"""A target that answers at once: every ranking lies ready before the run begins."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from orchestra_core.datasets import Dataset, DatasetSource
from orchestra_core.hookspecs import hookimpl
from orchestra_core.observation import LatencySample, Observation, Query
from orchestra_core.payloads import DescribeRequest, RunnerRequest
from orchestra_core.plan import Configuration
from orchestra_core.runner import Fingerprint, Health, Load, Parameter, RunnerDescription

AXES = ("a", "b", "c")
DEPTH = 10
QUERIES, DOCUMENTS = 60, 200

Rankings = Mapping[str, Sequence[tuple[str, ...]]]


class InstantRunner:
    """Looks rankings up. The higher a configuration's numbers, the higher it ranks what is relevant."""

    def __init__(self, dataset: Dataset) -> None:
        self._dataset = dataset
        self._rankings = prepare(dataset)

    def fingerprint(self) -> Fingerprint:
        return Fingerprint("instant", self._dataset.corpus_sha256, len(self._dataset.corpus))

    def health(self) -> Health:
        return Health(ok=True)

    def evaluate(
        self, configurations: Sequence[Configuration], queries: Sequence[Query]
    ) -> Iterator[Observation]:
        for configuration in configurations:
            total = sum(int(configuration.parameters[axis]) for axis in AXES)
            for query in queries:
                ranking = self._rankings[query.query_id][total]
                yield Observation(configuration.config_id, query.query_id, ranking)

    def probe(
        self, configuration: Configuration, queries: Sequence[Query], load: Load
    ) -> list[LatencySample]:
        return [LatencySample(configuration.config_id, query.query_id, 1.0) for query in queries]

    def close(self) -> None:
        pass


class InstantPlugin:
    """Runner and dataset in one plugin."""

    def __init__(self) -> None:
        self._dataset = make_dataset()

    @hookimpl
    def orchestra_datasets(self) -> list[DatasetSource]:
        return [DatasetSource("instant", "Made up", open=lambda _rest: self._dataset)]

    @hookimpl
    def orchestra_describe_runner(self, request: DescribeRequest) -> RunnerDescription:
        axes = tuple(Parameter(axis, "A number", "integer", minimum=0, maximum=9) for axis in AXES)
        return RunnerDescription("instant", parameters=axes, rate_limited=False)

    @hookimpl
    def orchestra_runner(self, request: RunnerRequest) -> InstantRunner:
        return InstantRunner(self._dataset)


def make_dataset() -> Dataset:
    """Each query has one relevant document."""
    corpus = {f"d{i:03}": f"document {i}" for i in range(DOCUMENTS)}
    queries = {f"q{i:03}": f"question {i}" for i in range(QUERIES)}
    return Dataset("instant", corpus, queries, {query: {f"d{query[1:]}": 1} for query in queries})


def prepare(dataset: Dataset) -> Rankings:
    """Query → sum of the parameters (0 to 27) → ranking."""
    fillers = [document for document in dataset.corpus if int(document[1:]) >= QUERIES]
    return {
        query: [rank(next(iter(relevant)), fillers, total, number) for total in range(28)]
        for number, (query, relevant) in enumerate(dataset.qrels.items())
    }


def rank(relevant: str, fillers: Sequence[str], total: int, number: int) -> tuple[str, ...]:
    """The relevant document stands higher as `total` grows; at which place, differs by query."""
    place = max(0, (number * 7) % 28 - total)
    others = [fillers[(number + i) % len(fillers)] for i in range(DEPTH)]
    return tuple([*others[:place], relevant, *others[place:]][:DEPTH])
