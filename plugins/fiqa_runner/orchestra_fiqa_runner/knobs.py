"""A configuration's parameters, checked and complete, as the engine wants them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import Field, ValidationError

from orchestra_core.errors import ExperimentError
from orchestra_core.fields import StrictModel

if TYPE_CHECKING:
    from collections.abc import Mapping


class Knobs(StrictModel):
    """Every dial of one configuration; parameters left out as inert have their defaults."""

    collection: str
    top_k: int = Field(default=10, ge=1, le=1000)
    alpha: float = Field(default=0.5, ge=0, le=1)
    mmr: Literal["off"] | Annotated[float, Field(ge=0, le=1)] = "off"
    ef_search: int = Field(default=64, ge=1, le=10_000)
    fusion: Literal["weighted", "rrf"] = "weighted"
    rrf_k: int = Field(default=60, ge=1, le=10_000)
    k1: float = Field(default=0.9, ge=0, le=10)
    b: float = Field(default=0.4, ge=0, le=1)

    @property
    def asks_lexical(self) -> bool:
        """Whether BM25 has a say."""
        return self.alpha < 1

    @property
    def asks_dense(self) -> bool:
        """Whether vectors have a say in what is found."""
        return self.alpha > 0

    @property
    def diversifies(self) -> bool:
        """Whether MMR reorders what was found."""
        return self.mmr != "off"


def read_knobs(parameters: Mapping[str, Any], config_id: str, collection: str) -> Knobs:
    """The knobs of a configuration; `collection` is used when it names none.

    Raises ExperimentError naming the configuration and the parameter.
    """
    try:
        return Knobs.model_validate({"collection": collection, **parameters})
    except ValidationError as error:
        problem = error.errors()[0]
        raise ExperimentError(
            f"parameter '{problem['loc'][0]}': {problem['msg']}",
            where=f"configuration {config_id}",
            hint=f"The runner knows: {', '.join(Knobs.model_fields)}.",
        ) from error
