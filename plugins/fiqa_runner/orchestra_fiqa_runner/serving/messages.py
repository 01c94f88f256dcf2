"""What the server is asked and what it answers; these models are its OpenAPI description."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

MAX_QUESTION = 10_000


class QueryRequest(BaseModel):
    """One question and the dials of its search. A field that is not known is refused."""

    model_config = ConfigDict(
        extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    question: Annotated[str, Field(max_length=MAX_QUESTION)]
    """What to search for."""
    top_k: Annotated[int, Field(ge=1, le=1000)] = 10
    """Documents in the answer, at most."""
    collection: str | None = None
    """Which collection; the one of whole documents when left out."""
    use_hybrid: bool = True
    """False: one side alone, which is the lexical one where `alpha` is 0 and else the dense one."""
    alpha: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Weight of the dense side: 0 is lexical only, 1 is dense only."""
    mmr: bool = False
    """Whether maximal marginal relevance reorders what was found."""
    mmr_lambda: Annotated[float, Field(ge=0, le=1)] = 0.3
    """Its weight on diversity; without effect unless `mmr` is true."""
    ef_search: Annotated[int, Field(ge=1, le=10_000)] = 64
    """Length of HNSW's candidate list."""
    rerank: bool = False
    """Only false: this engine has no reranker, and says so rather than pretend."""

    def parameters(self, collection: str) -> dict[str, Any]:
        """The runner's parameters; `collection` where none is named."""
        alpha = self.alpha
        if not self.use_hybrid:
            alpha = 0.0 if alpha == 0 else 1.0
        return {
            "collection": self.collection or collection,
            "top_k": self.top_k,
            "alpha": alpha,
            "mmr": self.mmr_lambda if self.mmr else "off",
            "ef_search": self.ef_search,
        }


class Item(BaseModel):
    """One document that was found."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    doc_id: str
    score: float
    text: str
    """Its beginning."""


class QueryAnswer(BaseModel):
    """The documents, best first, and what finding them took."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    items: list[Item]
    latency_ms: float
    """Milliseconds inside the engine."""
    latency_breakdown_ms: dict[str, float]
    """Milliseconds by step: embed, lexical, dense, fusion, diversity."""
    cost: float
    """USD, by the cost model of `plugins.fiqa`."""


class ErrorBody(BaseModel):
    """Why there is no answer."""

    error: dict[str, Any]
    """`type`, `msg`, `hint`."""


class Ready(BaseModel):
    """What is served; the same figures as the runner's fingerprint."""

    status: str
    target: str
    documents: int
    corpus_sha256: str
    indexes: dict[str, str]
    versions: dict[str, str]


class EmbeddingsHealth(BaseModel):
    """Whether texts can be embedded."""

    status: str
    dimensions: int
    milliseconds: float


class Policy(BaseModel):
    """A winner, as `plugins.fiqa.policy` sends it."""

    model_config = ConfigDict(
        extra="forbid", strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )

    run_id: str
    """Whose winner it is."""
    config_id: str
    parameters: dict[str, str | bool | int | float]
    """The runner's parameters: collection, top_k, alpha, mmr, ef_search."""


class PolicyInForce(BaseModel):
    """What GET and PUT answer."""

    policy: Policy
