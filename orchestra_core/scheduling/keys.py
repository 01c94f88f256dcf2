"""A unit's key: the hash of exactly what decides its result.

Target, configurations, query block, dataset and index fingerprint, plugin versions; for a probe, its
load too. Stage and rung are no part of it: they decide when a unit is asked, not what comes back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

from orchestra_core.plan import Configuration, Plan, sha256_of
from orchestra_core.runner import Load

PATIENCE = frozenset(
    {
        *("allowed_hosts", "health_endpoints", "rate_limit_per_sec", "max_retries", "backoff_s"),
        *("timeout_s", "runner_timeout_s"),
    }
)
"""Of the section `runner`: what decides how patiently something is asked, and no result."""
MEASURED = ("target", "corpus_sha256", "documents", "indexes", "versions", "dataset", "plugins")
"""Of the run's fingerprint: what is measured."""


class UnitKeys:
    """The keys of one run's units."""

    def __init__(self, plan: Plan, fingerprint: Mapping[str, Any]) -> None:
        """`fingerprint`: as it stands in RUN_STARTED."""
        experiment = plan.experiment.model_dump(mode="json")
        target = {
            "runner": {k: v for k, v in experiment["runner"].items() if k not in PATIENCE},
            "settings": experiment["plugins"].get(experiment["runner"]["plugin"], {}),
            "collections": experiment["collections"],
        }
        self._base = sha256_of([target, {name: fingerprint.get(name) for name in MEASURED}])
        self._configurations: dict[str, str] = {}

    def evaluate(self, configurations: Sequence[Configuration], query_ids: Sequence[str]) -> str:
        """The key of an evaluation."""
        return self._key("evaluate", configurations, query_ids, None)

    def probe(self, configuration: Configuration, query_ids: Sequence[str], load: Load) -> str:
        """The key of a probe."""
        return self._key("probe", [configuration], query_ids, asdict(load))

    def _key(
        self,
        kind: str,
        configurations: Sequence[Configuration],
        query_ids: Sequence[str],
        load: Mapping[str, Any] | None,
    ) -> str:
        asked = [self._hash(configuration) for configuration in configurations]
        return sha256_of([self._base, kind, asked, list(query_ids), load])

    def _hash(self, configuration: Configuration) -> str:
        known = self._configurations.get(configuration.config_id)
        if known is None:
            known = sha256_of([configuration.config_id, configuration.parameters])
            self._configurations[configuration.config_id] = known
        return known
