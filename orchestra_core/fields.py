"""The strict model that all settings share, and the kinds of values that their keys take."""

from __future__ import annotations

import re
from difflib import get_close_matches
from typing import Annotated

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    model_validator,
)

from orchestra_core.metric_names import TIMING_METRICS
from orchestra_core.runner import ParameterValue


class StrictModel(BaseModel):
    """Unknown keys are errors, values are not coerced from other types, instances are frozen."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(s|m|h)")
_SECONDS = {"s": 1.0, "m": 60.0, "h": 3600.0}
_SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,79}")


def _to_seconds(value: object) -> object:
    if isinstance(value, str):
        match = _DURATION.fullmatch(value.strip())
        if not match:
            raise ValueError("expected seconds, or a duration such as 30m, 90s or 2h")
        return float(match[1]) * _SECONDS[match[2]]
    return value


def _check_name(value: str) -> str:
    if not _SAFE_NAME.fullmatch(value) or ".." in value:
        raise ValueError(
            "expected a name of letters, digits, '_', '-' and '.', at most 80 characters long"
        )
    return value


def _check_unique(values: tuple[ParameterValue, ...]) -> tuple[ParameterValue, ...]:
    for index, value in enumerate(values):
        if value in values[:index] and not isinstance(value, bool):
            raise ValueError(f"the value {value!r} stands twice")
    return values


def _check_timing(name: str) -> str:
    if name not in TIMING_METRICS:
        close = get_close_matches(name, TIMING_METRICS, n=1, cutoff=0.4)
        meant = f" (did you mean {close[0]}?)" if close else ""
        raise ValueError(f"expected one of {', '.join(TIMING_METRICS)}{meant}")
    return name


def _to_margin(value: object) -> object:
    if isinstance(value, str):
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", value.strip())
        if not match:
            raise ValueError("expected a share such as 20%, or a number in the metric's own unit")
        return {"relative": float(match[1]) / 100}
    if isinstance(value, int | float) and not isinstance(value, bool):
        try:
            return {"absolute": float(value)}
        except OverflowError:
            raise ValueError("the number is too large") from None
    return value


Seconds = Annotated[float, BeforeValidator(_to_seconds), Field(gt=0)]
Name = Annotated[str, AfterValidator(_check_name)]
TimingMetric = Annotated[str, AfterValidator(_check_timing)]
Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(gt=0, le=1)]
Values = Annotated[
    tuple[ParameterValue, ...], Field(min_length=1, strict=False), AfterValidator(_check_unique)
]


class Margin(StrictModel):
    """How much worse a metric may get: `20%` of the baseline's figure, or a number in its unit."""

    relative: float | None = Field(default=None, ge=0)
    absolute: float | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _one_of_two(self) -> Margin:
        if (self.relative is None) == (self.absolute is None):
            raise ValueError("expected either a share such as 20%, or a number")
        return self

    def allowed(self, baseline: float) -> float:
        """The largest increase over `baseline` that is still accepted, in the metric's unit."""
        if self.relative is not None:
            return self.relative * abs(baseline)
        return self.absolute or 0.0


Allowance = Annotated[Margin, BeforeValidator(_to_margin)]
