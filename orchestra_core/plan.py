"""Plan: what will be done. Immutable, hashed, the same on every machine.

Built by the default planner (`orchestra_core.builtin.planner`) or by a plugin's `orchestra_plan`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Literal

from pydantic import Field, model_validator

from orchestra_core.experiment import Experiment
from orchestra_core.fields import StrictModel
from orchestra_core.runner import ParameterValue

StageName = Literal["smoke", "grid", "ab", "select", "publish"]
ASKING_STAGES = ("smoke", "grid", "ab")
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
    warmup: int = 0
    """Requests sent before a probe and not reported."""
    requests: int = 0
    """The most requests this stage may send, evaluations, probes and warm-ups together."""

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

    @model_validator(mode="after")
    def _sound(self) -> Plan:
        """Tuning and confirmation never meet, and each stage asks only of its own."""
        known = {c.config_id for c in (self.baseline, *self.configurations)}
        tuning, confirmation = set(self.tuning), set(self.confirmation)
        if tuning & confirmation:
            raise ValueError(f"query {min(tuning & confirmation)} is in tuning and in confirmation")
        names = tuple(stage.name for stage in self.stages)
        if not names or names != STAGE_ORDER[: len(names)]:
            told = f"expected {', '.join(STAGE_ORDER)}, or the first few of them"
            raise ValueError(f"the stages are {', '.join(names) or 'missing'}; {told}")
        for stage in self.stages:
            allowed = confirmation if stage.name == "ab" else tuning
            if not set(stage.query_ids) <= allowed:
                raise ValueError(f"stage {stage.name} asks queries that are not its own")
            if not set(stage.config_ids) <= known:
                raise ValueError(f"stage {stage.name} names unknown configurations")
            if stage.name in ASKING_STAGES and not all(stage.rungs):
                raise ValueError(f"stage {stage.name} has an empty rung")
        return self

    def stage(self, name: StageName) -> StagePlan:
        """The plan of one stage. Raises KeyError when this plan ends before it."""
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

    def up_to(self, name: StageName) -> Plan:
        """This plan without what comes after a stage; itself when it ends before."""
        kept = STAGE_ORDER[: STAGE_ORDER.index(name) + 1]
        stages = tuple(stage for stage in self.stages if stage.name in kept)
        # Made anew: a copy would keep the hash of the whole plan.
        return self if stages == self.stages else Plan(**{**dict(self), "stages": stages})

    @property
    def requests(self) -> int:
        """The most requests that the whole plan may send."""
        return sum(stage.requests for stage in self.stages)

    @cached_property
    def plan_hash(self) -> str:
        """SHA-256 over everything that decides what is done; equal plans hash alike anywhere.

        Names and places decide nothing: the data set and the collections count by their content and
        the chunking, the space by the configurations that it gives.
        """
        content = self.model_dump(mode="json", exclude={"dataset"})
        for key in ("name", "dataset", "baseline", "space", "paths", "concurrency"):
            content["experiment"].pop(key)
        for collection in content["experiment"]["collections"].values():
            collection.pop("dataset")
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
