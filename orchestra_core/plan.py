"""Plan: what will be done. Immutable, hashed, the same on every machine.

Built by the default planner (`orchestra_core.builtin.planner`) or by a plugin's `orchestra_plan`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Literal

from pydantic import Field

from orchestra_core.experiment import Experiment, StrictModel
from orchestra_core.runner import ParameterValue

StageName = Literal["smoke", "grid", "ab", "select", "publish"]
STAGE_ORDER: tuple[StageName, ...] = ("smoke", "grid", "ab", "select", "publish")


class Configuration(StrictModel):
    """One setting of the search space."""

    config_id: str
    parameters: dict[str, ParameterValue]
    """Only parameters that have an effect on this configuration."""


class StagePlan(StrictModel):
    """What one stage will ask."""

    name: StageName
    config_ids: tuple[str, ...] = Field(default=(), strict=False)
    rungs: tuple[tuple[str, ...], ...] = Field(default=(), strict=False)
    """Query ids per rung, without repeats; every configuration still in the race gets each block."""
    probes: int = 0
    """Timed requests per configuration and rung."""
    requests: int = 0
    """The most requests this stage may send, evaluations and probes together."""

    @property
    def query_ids(self) -> tuple[str, ...]:
        """All rungs' queries in the order asked."""
        return tuple(query_id for rung in self.rungs for query_id in rung)


class Plan(StrictModel):
    """The whole of a run, before the first request."""

    experiment: Experiment
    dataset: str
    dataset_sha256: str
    queries: int
    """Labelled queries in the dataset."""
    baseline: Configuration
    configurations: tuple[Configuration, ...] = Field(strict=False)
    tuning: tuple[str, ...] = Field(strict=False)
    """Query ids that smoke and grid may see, in the order they are used."""
    confirmation: tuple[str, ...] = Field(strict=False)
    """Query ids that only the A/B may see, in the order they are used."""
    stages: tuple[StagePlan, ...] = Field(strict=False)

    def stage(self, name: StageName) -> StagePlan:
        """The plan of one stage. Raises KeyError when this plan leaves that stage out."""
        for stage in self.stages:
            if stage.name == name:
                return stage
        raise KeyError(name)

    def configuration(self, config_id: str) -> Configuration:
        """A configuration of the space, or the baseline, by id. Raises KeyError."""
        return self._by_id[config_id]

    def select(self, config_ids: Sequence[str]) -> tuple[Configuration, ...]:
        """Configurations by id, in the given order. Raises KeyError."""
        return tuple(self._by_id[config_id] for config_id in config_ids)

    @property
    def requests(self) -> int:
        """The most requests that the whole plan may send."""
        return sum(stage.requests for stage in self.stages)

    @cached_property
    def plan_hash(self) -> str:
        """SHA-256 over everything that decides what is done; equal plans hash alike anywhere."""
        content = self.model_dump(mode="json")
        # Where files go and how many threads ask decides nothing about what is asked.
        for key in ("paths", "concurrency"):
            content["experiment"].pop(key)
        return sha256_of(content)

    @cached_property
    def _by_id(self) -> Mapping[str, Configuration]:
        return {c.config_id: c for c in (self.baseline, *self.configurations)}


def sha256_of(content: Any) -> str:
    """SHA-256 of JSON-ready content in canonical form (sorted keys, no spaces, UTF-8)."""
    text = json.dumps(
        content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return hashlib.sha256(text.encode()).hexdigest()
