"""The experiment's collections, checked, as chunkings of the one corpus that a run has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestra_core.errors import ExperimentError, nearest
from orchestra_fiqa_runner.description import default_collection
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


def check_experiment(experiment: Experiment) -> None:
    """Raises ExperimentError naming the key of a wrong collection, or of one that was not declared."""
    known = read_collections(experiment)
    default = default_collection(experiment.dataset)
    check_collection(experiment.baseline.get("collection", default), known, "baseline.collection")
    for name in experiment.space.get("collection", ()):
        check_collection(name, known, "space.collection")


def check_collection(name: object, known: Mapping[str, Chunking], where: str) -> None:
    """Raises ExperimentError naming `where` when no collection of that name was declared."""
    if name not in known:
        raise ExperimentError(
            f"no collection is called '{name}'",
            where=where,
            hint=f"{nearest(str(name), known)} Declare others under `collections:`.".strip(),
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
