"""Bodies of the API's requests. They are strict: unknown keys are errors."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, ConfigDict, Discriminator, Field, Tag

from orchestra_core.fields import Name, StrictModel
from orchestra_core.runner import ParameterValue

Mode = Literal["full", "smoke", "grid", "ab"]
Preset = Literal["quick", "standard", "thorough"]
RunState = Literal[
    "queued", "starting", "running", "interrupted", "refused",
    "completed", "early_stopped", "failed", "cancelled",
]  # fmt: skip
"""`interrupted`: without an ending, and its process is gone. `refused`: it never had a journal."""
LARGEST_AXIS = 100
LONGEST_RUN_ID = 200
_RUN_ID = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,199}"


def _check_dial(value: object) -> object:
    values = value if isinstance(value, list) else [value]
    if value is None:
        return value
    if not 1 <= len(values) <= LARGEST_AXIS or not all(isinstance(v, ParameterValue) for v in values):
        raise ValueError(
            f"expected a text, a number, true or false, or a list of 1 to {LARGEST_AXIS} of them"
        )
    return value


def _check_run_id(value: str) -> str:
    if not re.fullmatch(_RUN_ID, value):
        raise ValueError(
            "expected a run's id: letters, digits, '_', '-' and '.', "
            f"at most {LONGEST_RUN_ID} characters"
        )
    return value


def _check_size(value: dict[str, Any] | None) -> dict[str, Any] | None:
    if value is not None and len(value) > LARGEST_EXPERIMENT:
        raise ValueError(f"expected at most {LARGEST_EXPERIMENT} keys")
    return value


LARGEST_EXPERIMENT = 50
Sample = Annotated[int, Field(ge=1, le=1_000_000)]
Axis = Annotated[list[ParameterValue], Field(min_length=1, max_length=LARGEST_AXIS)]
Dial = Annotated[ParameterValue | Axis | None, BeforeValidator(_check_dial)]
RunId = Annotated[
    str,
    AfterValidator(_check_run_id),
    Field(json_schema_extra={"pattern": f"^{_RUN_ID}$"}, examples=["fiqa-1"]),
]


class Samples(StrictModel):
    """Queries per stage; what is left out stays as the experiment has it."""

    smoke: Sample | None = None
    grid: Sample | None = None
    ab: Annotated[int, Field(ge=2, le=1_000_000)] | None = None


class Overrides(StrictModel):
    """Single dials. A parameter takes one value, or a list to try."""

    top_k: Dial = None
    mmr: Dial = None
    ef_search: Dial = None
    alpha: Dial = None
    sample: (
        Annotated[
            Annotated[Sample, Tag("number")] | Annotated[Samples, Tag("stages")],
            Discriminator(lambda value: "stages" if isinstance(value, dict | Samples) else "number"),
        ]
        | None
    ) = None
    """A number: the grid's queries, and the most that smoke asks."""
    concurrency: Annotated[int, Field(ge=1, le=64)] | None = None


class RunBody(StrictModel):
    """What to run. An empty body is the service's own experiment, whole."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {"collection": "fiqa_para_50k", "mode": "full"},
                {"mode": "grid", "overrides": {"top_k": [10, 20], "alpha": 0.5, "sample": 50}},
                {"preset": "quick", "dry_run": True},
            ]
        }
    )
    collection: Name | None = None
    """One of the experiment's collections: its dataset is used, and only it is searched."""
    mode: Mode = "full"
    """`smoke`, `grid` and `ab` end after that stage, and select and publish nothing."""
    preset: Preset | None = None
    """How much to spend; the experiment's own figures when left out."""
    overrides: Overrides = Overrides()
    experiment: Annotated[dict[str, Any] | None, AfterValidator(_check_size)] = None
    """A whole experiment in place of the service's file."""
    dry_run: bool = False
    """Answer with the plan; nothing is sent."""
    again: bool = False
    """Run it although the same request is running or done."""


class RunReference(StrictModel):
    """Names one run."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"run_id": "fiqa-1"}]})
    run_id: RunId
