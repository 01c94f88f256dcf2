"""What the runner says of itself: its parameters, and the experiment that needs no file.

Imported before a plan is made, so nothing heavy may be imported here.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from orchestra_core.runner import Parameter, RunnerDescription
from orchestra_fiqa_runner.backends import BACKENDS, DEFAULT

if TYPE_CHECKING:
    from collections.abc import Mapping

RUNNER_NAME = "fiqa"
DEFAULT_DATASET = "fiqa-mini"
_CHUNKINGS = ("para", "sent", "win256_o64")
_LEXICAL_ONLY = {"alpha": (0, 0.0)}
_DENSE_ONLY = {"alpha": (1, 1.0)}
_ONE_SIDED = (0, 0.0, 1, 1.0)

_COLLECTION = Parameter(
    "collection",
    "The collection (one chunking of the corpus) that is searched",
    "choice",
    short="-",
)
_DIALS = (
    Parameter("top_k", "Documents returned", "integer", short="k", minimum=1, maximum=1000, default=10),
    Parameter(
        "alpha",
        "Weight of the dense side in the fusion: 0 is lexical only, 1 is dense only",
        "number",
        short="a",
        minimum=0,
        maximum=1,
        default=0.5,
    ),
    Parameter(
        "mmr",
        "Maximal marginal relevance: its lambda, as the weight on diversity; off reorders nothing",
        "number_or_off",
        short="mmr",
        minimum=0,
        maximum=1,
        default="off",
    ),
    Parameter(
        "ef_search",
        "Length of HNSW's candidate list, and so the most chunks that the dense side finds",
        "integer",
        short="ef",
        minimum=1,
        maximum=10_000,
        inert_when=_LEXICAL_ONLY,
        default=64,
    ),
    Parameter(
        "fusion",
        "How the two sides are joined: weighted min-max scores, or reciprocal ranks (rrf)",
        "choice",
        choices=("weighted", "rrf"),
        inert_when={"alpha": _ONE_SIDED},
        default="weighted",
    ),
    Parameter(
        "rrf_k",
        "Constant added to each rank in reciprocal rank fusion",
        "integer",
        minimum=1,
        maximum=10_000,
        inert_when={"alpha": _ONE_SIDED, "fusion": ("weighted",)},
        default=60,
    ),
    Parameter(
        "k1",
        "BM25: how slowly repeated words stop counting",
        "number",
        minimum=0,
        maximum=10,
        inert_when=_DENSE_ONLY,
        default=0.9,
    ),
    Parameter(
        "b",
        "BM25: how much long chunks are held back",
        "number",
        minimum=0,
        maximum=1,
        inert_when=_DENSE_ONLY,
        default=0.4,
    ),
)


def describe(dataset: str | None, backend: str | None = None) -> RunnerDescription:
    """The description for an experiment on `dataset` (the runner's own when None) over a backend.

    An unknown backend is described like the default one; the core then refuses it with its place.
    """
    chosen = BACKENDS.get(backend or DEFAULT, BACKENDS[DEFAULT])
    collection = replace(_COLLECTION, default=default_collection(dataset or DEFAULT_DATASET))
    known = [
        p for p in (collection, *_DIALS) if chosen.parameters is None or p.name in chosen.parameters
    ]
    return RunnerDescription(
        name=RUNNER_NAME,
        backends=tuple(BACKENDS),
        parameters=tuple(known),
        defaults=default_experiment(dataset or DEFAULT_DATASET),
        shares_work=chosen.shares_work,
        rate_limited=chosen.rate_limited,
        seconds_per_request=chosen.seconds_per_request,
        open_parameters=chosen.open_parameters,
    )


def parameter_names() -> tuple[str, ...]:
    """All parameters of the embedded engine."""
    return (_COLLECTION.name, *(dial.name for dial in _DIALS))


def default_experiment(dataset: str) -> Mapping[str, Any]:
    """The experiment layer under the user's file: three chunkings and the default space."""
    stem = collection_stem(dataset)
    collections = {f"{stem}_{chunking}": {"chunking": chunking} for chunking in _CHUNKINGS}
    return {
        "name": "fiqa-hybrid",
        "dataset": dataset,
        "collections": collections,
        "objective": {"maximize": "recall@10", "subject_to": {"p95_ms": 250}},
        "baseline": {
            "collection": f"{stem}_para",
            "alpha": 0.0,
            "top_k": 10,
            "mmr": "off",
            "ef_search": 64,
        },
        "space": {
            "collection": list(collections),
            "alpha": [0.0, 0.3, 0.5, 0.7, 1.0],
            "top_k": [10, 20, 30],
            "mmr": ["off", 0.3],
            "ef_search": [32, 64],
        },
    }


def default_collection(dataset: str) -> str:
    """The collection of whole documents of a dataset."""
    return f"{collection_stem(dataset)}_para"


def collection_stem(dataset: str) -> str:
    """What a dataset's collections are called: `fiqa` for fiqa-mini, else the name made safe.

    Of a folder only its own name counts, so that configurations are called alike on every machine.
    At most 60 characters of letters, digits and underscores, beginning with a letter or digit.
    """
    if dataset == DEFAULT_DATASET:
        return "fiqa"
    scheme, _, path = dataset.partition(":")
    if scheme == "beir":
        dataset = f"{scheme}_{PurePath(path).name}"
    safe = re.sub(r"[^A-Za-z0-9]+", "_", dataset).strip("_")
    return safe[-60:].strip("_") or "collection"
