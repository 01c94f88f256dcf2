"""The runner: how Orchestra asks the index."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from orchestra_core import (
    Answer,
    Configuration,
    Dataset,
    Fingerprint,
    Health,
    LatencySample,
    Load,
    Observation,
    Query,
    drive,
)
from orchestra_core.runner import ParameterValue
from orchestra_wordcount import __version__
from orchestra_wordcount.description import DESCRIPTION
from orchestra_wordcount.index import Index
from orchestra_wordcount.settings import WordcountSettings

DISTRIBUTION = "orchestra-wordcount"
DEFAULTS = {parameter.name: parameter.default for parameter in DESCRIPTION.parameters or ()}


class WordcountRunner:
    """Searches a dataset's corpus in memory."""

    def __init__(self, dataset: Dataset, settings: WordcountSettings) -> None:
        self._dataset = dataset
        self._index = Index(dataset.corpus, settings.stop_words)

    def fingerprint(self) -> Fingerprint:
        """What is being measured."""
        return Fingerprint(
            target=f"{DISTRIBUTION} {__version__}",
            corpus_sha256=self._dataset.corpus_sha256,
            documents=len(self._dataset.corpus),
            versions={DISTRIBUTION: __version__},
        )

    def health(self) -> Health:
        """An index in memory can always be asked."""
        return Health(ok=True, message=f"{len(self._dataset.corpus)} documents in memory")

    def evaluate(
        self, configurations: Sequence[Configuration], queries: Sequence[Query]
    ) -> Iterator[Observation]:
        """One observation per configuration and query; latency is left to `probe`."""
        for configuration in configurations:
            for query in queries:
                ranking = tuple(self._search(configuration, query))
                yield Observation(configuration.config_id, query.query_id, ranking)

    def probe(
        self, configuration: Configuration, queries: Sequence[Query], load: Load
    ) -> Iterator[LatencySample]:
        """Every query asked and timed on its own, at the moments that the load says."""

        def ask(query: Query) -> Answer:
            self._search(configuration, query)
            return Answer()

        return drive(configuration.config_id, queries, load, ask)

    def close(self) -> None:
        """There is nothing to release."""

    def _search(self, configuration: Configuration, query: Query) -> list[str]:
        # An inert parameter is left out of a configuration, so the default stands in for it.
        values: dict[str, ParameterValue | None] = {**DEFAULTS, **configuration.parameters}
        return self._index.search(
            query.text,
            weighting=str(values["weighting"]),
            damping=float(values["damping"] or 0),
            top_k=int(values["top_k"] or 1),
        )
