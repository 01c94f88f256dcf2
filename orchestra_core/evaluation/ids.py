"""Whether the ids that a target says are those of the dataset."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from orchestra_core.datasets import Dataset
from orchestra_core.errors import IdsDoNotAlign, TargetError
from orchestra_core.report import IdOverlap

EXAMPLES = 3


def aligned(retrieved: AbstractSet[str], dataset: Dataset) -> IdOverlap:
    """Share of retrieved ids that the corpus knows, with three examples of what either side says.

    The target's examples are ids that the corpus does not know, as long as there are any.
    Raises IdsDoNotAlign when not one id is known: then every quality figure would be a false zero.
    """
    known = retrieved & dataset.corpus.keys()
    foreign = sorted(retrieved - known)
    overlap = IdOverlap(
        share=len(known) / len(retrieved) if retrieved else None,
        retrieved=tuple((foreign or sorted(known))[:EXAMPLES]),
        dataset=tuple(sorted(dataset.corpus)[:EXAMPLES]),
    )
    if retrieved and not known:
        raise IdsDoNotAlign(
            f"none of {len(retrieved)} retrieved ids is in dataset '{dataset.name}': "
            f"{both_sides(overlap)}",
            hint="Point the runner at an index of this dataset, or map its ids.",
            details={"overlap": 0.0, "ids": overlap.model_dump(mode="json")},
        )
    return overlap


def nothing_found(queries: int) -> TargetError:
    """The error of a target that answers every query with an empty list."""
    return TargetError(
        f"nothing was found for any of {queries:,} queries, though they were answered",
        hint="Is the index empty, the collection's name another one, or the answer's list elsewhere?",
    )


def both_sides(overlap: IdOverlap) -> str:
    """The examples as a clause."""
    target, dataset = ", ".join(overlap.retrieved), ", ".join(overlap.dataset)
    return f"the target says {target}; the dataset says {dataset}"
