"""The core's `Runner` over one run's indexes; those of the embedded engine, unless told."""

from __future__ import annotations

from importlib.metadata import version
from time import thread_time
from typing import TYPE_CHECKING

from orchestra_core.errors import ExperimentError
from orchestra_core.runner import Fingerprint, Health
from orchestra_fiqa_runner.asking import Asker
from orchestra_fiqa_runner.collections import check_collection
from orchestra_fiqa_runner.engine import recipe
from orchestra_fiqa_runner.evaluating import Evaluator
from orchestra_fiqa_runner.extras import DISTRIBUTION
from orchestra_fiqa_runner.knobs import Knobs, read_knobs
from orchestra_fiqa_runner.probing import Prober

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from orchestra_core.observation import LatencySample, Observation, Query
    from orchestra_core.payloads import RunnerRequest
    from orchestra_core.plan import Configuration
    from orchestra_core.runner import Load
    from orchestra_fiqa_runner.asking import Clock, Found
    from orchestra_fiqa_runner.engine.source import IndexSource
    from orchestra_fiqa_runner.settings import FiqaSettings


class FiqaRunner:
    """Searches in this process. `evaluate` and `probe` may be called from several threads."""

    remedy = "Delete the plugin's cache folder, so that its indexes are built again."
    """What to do when `health` is not well."""

    def __init__(
        self,
        indexes: IndexSource,
        settings: FiqaSettings,
        collection: str,
        trial: tuple[Configuration, Query],
        clock: Clock = thread_time,
    ) -> None:
        """`collection`: for configurations that name none; `trial`: what `health` asks; `clock`: the
        seconds that a request pays for.
        """
        self._indexes = indexes
        self._settings = settings
        self._collection = collection
        self._trial = trial
        self._evaluator = Evaluator(indexes, settings.candidates)
        self._asker = Asker(indexes, settings, clock)
        self._prober = Prober(self._asker)

    def open_for(self, configurations: Sequence[Configuration]) -> Mapping[str, Knobs]:
        """Open whatever these configurations ask, and return their knobs by config_id.

        Raises ExperimentError for a parameter or collection that is not known, StorageError when an
        index must be written and cannot.
        """
        knobs = {one.config_id: self._read(one) for one in configurations}
        for knob in knobs.values():
            self._open(knob)
        self._indexes.forget_chunks()
        return knobs

    def fingerprint(self) -> Fingerprint:
        """What is being measured."""
        own = version(DISTRIBUTION)
        return Fingerprint(
            target=f"{DISTRIBUTION} {own} (embedded, {self._settings.candidates} candidates)",
            corpus_sha256=self._indexes.corpus.sha256,
            documents=len(self._indexes.corpus.ids),
            indexes=self._indexes.content_hashes(),
            versions={DISTRIBUTION: own, **recipe.deciding_versions()},
        )

    def health(self) -> Health:
        """Asks one query of the first configuration."""
        configuration, query = self._trial
        seen = next(iter(self.evaluate([configuration], [query])))
        details = {
            "documents": len(self._indexes.corpus.ids),
            "collections": sorted(self._indexes.collections),
            "found": len(seen.ranking),
        }
        if seen.failure is None:
            return Health(ok=True, message="indexes are open and answer", details=details)
        return Health(
            ok=False,
            message=f"a trial query failed: {seen.failure.reason}: {seen.failure.message}",
            hint=self.remedy,
            details=details,
        )

    def evaluate(
        self, configurations: Sequence[Configuration], queries: Sequence[Query]
    ) -> Iterator[Observation]:
        """Quality; work is shared over configurations, so no latency and no cost are reported."""
        return self._evaluator.evaluate(self.open_for(configurations), queries)

    def probe(
        self, configuration: Configuration, queries: Sequence[Query], load: Load
    ) -> Iterator[LatencySample]:
        """Latency and cost, request by request."""
        knobs = self.open_for([configuration])[configuration.config_id]
        return self._prober.probe(configuration.config_id, knobs, queries, load)

    def ask(self, configuration: Configuration, text: str) -> Found:
        """One question, alone, as `probe` asks it. Raises what `open_for` and the engine raise."""
        return self._asker.ask(self.open_for([configuration])[configuration.config_id], text)

    def embedded_dimensions(self, text: str) -> int:
        """Numbers in the embedding of `text`. Raises ValueError when it is all zeros."""
        (vector,) = self._indexes.encoder().embed([text])
        if not vector.any():
            raise ValueError("the embedding is all zeros")
        return len(vector)

    def close(self) -> None:
        """Let go of the indexes."""
        self._indexes.close()

    @staticmethod
    def trial_of(request: RunnerRequest) -> tuple[Configuration, Query]:
        """What `health` asks. Raises ExperimentError when there is no configuration."""
        if not request.configurations:
            raise ExperimentError(
                "there is no configuration to ask about", where="space", hint="Give the space a value."
            )
        return request.configurations[0], request.dataset.judged_queries()[0]

    def _read(self, configuration: Configuration) -> Knobs:
        config_id = configuration.config_id
        knobs = read_knobs(configuration.parameters, config_id, self._collection)
        where = f"configuration {config_id}"
        check_collection(knobs.collection, self._indexes.collections, where)
        return knobs

    def _open(self, knobs: Knobs) -> None:
        if knobs.asks_lexical:
            self._indexes.lexical(knobs.collection, knobs.k1, knobs.b)
        if knobs.asks_dense:
            self._indexes.encoder()
            self._indexes.dense(knobs.collection, knobs.ef_search)
        if knobs.diversifies:
            self._indexes.document_vectors()
