"""The experiment's collections, checked, as chunkings of the one corpus that a run has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestra_core.errors import ExperimentError, nearest
from orchestra_fiqa_runner.engine.chunking import Chunking, parse_chunking

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestra_core.experiment import Collection, Experiment


def read_collections(experiment: Experiment) -> dict[str, Chunking]:
    """Collection name → chunking. Raises ExperimentError for another dataset or unknown chunking."""
    return {
        name: _read(name, collection, experiment.dataset)
        for name, collection in experiment.collections.items()
    }


def check_collection(name: str, known: Mapping[str, Chunking], config_id: str) -> None:
    """Raises ExperimentError when a configuration names a collection that was not declared."""
    if name not in known:
        raise ExperimentError(
            f"no collection is called '{name}'",
            where=f"configuration {config_id}",
            hint=f"{nearest(name, known)} Declare others under `collections:`.".strip(),
        )


def _read(name: str, collection: Collection, dataset: str) -> Chunking:
    where = f"collections.{name}"
    if collection.dataset not in (None, dataset):
        raise ExperimentError(
            f"the collection is of dataset '{collection.dataset}', the experiment of '{dataset}'",
            where=f"{where}.dataset",
            hint="The qrels of one dataset say nothing of another's documents: leave the key out, or "
            "make both the same.",
        )
    return parse_chunking(collection.chunking, where=f"{where}.chunking")
