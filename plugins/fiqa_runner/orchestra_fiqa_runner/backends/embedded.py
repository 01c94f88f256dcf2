"""The embedded backend: check the experiment, then open the indexes its configurations need."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestra_fiqa_runner.collections import read_collections
from orchestra_fiqa_runner.description import default_collection
from orchestra_fiqa_runner.engine.corpus import read_corpus
from orchestra_fiqa_runner.engine.indexes import Indexes
from orchestra_fiqa_runner.runner import FiqaRunner
from orchestra_fiqa_runner.settings import FiqaSettings

if TYPE_CHECKING:
    from orchestra_core.payloads import RunnerRequest


def open_backend(request: RunnerRequest) -> FiqaRunner:
    """A runner whose indexes are built and open.

    Raises ExperimentError for an unknown collection, chunking or parameter, StorageError when
    an index cannot be written.
    """
    settings = request.settings if isinstance(request.settings, FiqaSettings) else FiqaSettings()
    indexes = Indexes(
        corpus=read_corpus(request.dataset.corpus, request.dataset.corpus_sha256),
        collections=read_collections(request.experiment),
        folder=request.cache_dir / "indexes",
        connectivity=settings.hnsw_connectivity,
        expansion_add=settings.hnsw_expansion_add,
    )
    collection = default_collection(request.experiment.dataset)
    runner = FiqaRunner(indexes, settings, collection, FiqaRunner.trial_of(request))
    runner.open_for(request.configurations)
    return runner
