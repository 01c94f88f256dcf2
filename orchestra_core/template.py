"""The commented experiment file that `orchestra init` writes: real values, a comment per key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from pydantic import BaseModel

from orchestra_core.experiment import Experiment

HEADER = """\
# An Orchestra experiment. Every key has a default; delete what you do not want to change.
#   orchestra plan     what a run would do; nothing is sent
#   orchestra run      carry it out
# Keys are checked strictly; `orchestra config schema` describes them all.
"""
COMMENTS = {
    "name": "Names the run; part of every run id.",
    "dataset": "A name from `orchestra data list`, beir:PATH, or ir_datasets:ID.",
    "collections": "Names for ways of chunking the dataset's corpus.",
    "runner": "Which runner asks the target, and how patiently.",
    "runner.plugin": "Its name; may be left out while just one is installed.",
    "runner.backend": "One of the runner's backends; its first one when left out.",
    "runner.base_url": "From here to timeout_s: for targets behind a network.",
    "runner.rate_limit_per_sec": "0 switches the limit off.",
    "runner.runner_timeout_s": "Seconds that one unit of work may take.",
    "objective": "What is maximised, and what must hold.",
    "objective.subject_to": "Upper limits: p50_ms, p95_ms, p99_ms, cost_per_query.",
    "baseline": "What you run today; also the value of every parameter that the space leaves out.",
    "space": "Values to try. A parameter without effect on a configuration does not multiply it.",
    "stages.confirmation": "Share of the labelled queries that tuning never sees.",
    "stages.smoke": "A first look at a few configurations.",
    "stages.grid": "The race over all configurations.",
    "stages.grid.budget": "Share of the full grid to spend; 1.0: drop only what is surely beaten.",
    "stages.grid.delta": "Chance of ever dropping the true best by a drop called certain.",
    "stages.grid.epsilon": "Differences up to this are no differences.",
    "stages.grid.probe": "Timed requests per configuration and rung.",
    "stages.ab": "The grid's leader against the baseline.",
    "stages.ab.sample": "First look; an inconclusive one takes the rest of the confirmation queries.",
    "stages.ab.margin": "How much worse these may get: in the metric's unit, or a share (20%).",
    "limits": "What a run may spend.",
    "limits.wall": "Seconds, or a duration such as 30m.",
    "seed": "Decides the split and the order of the queries.",
    "concurrency": "Units of work asked at the same time.",
    "plugins": "One section per plugin.",
    "paths": "Folders inside the home folder.",
}


def commented_yaml(experiment: Experiment, settings: Mapping[str, BaseModel]) -> str:
    """The experiment as YAML with comments; reading it gives the same experiment again."""
    content = experiment.model_dump(mode="json")
    content["collections"] = {
        name: c.model_dump(exclude_none=True) for name, c in experiment.collections.items()
    }
    content["stages"]["ab"]["margin"] = {
        metric: f"{m.relative:.4%}" if m.relative is not None else m.absolute
        for metric, m in experiment.stages.ab.margin.items()
    }
    content["plugins"] = {name: model.model_dump(mode="json") for name, model in settings.items()}
    return HEADER + "".join(_lines(content, "", 0))


def _lines(content: Mapping[str, Any], prefix: str, depth: int) -> Iterator[str]:
    indent = "  " * depth
    for key, value in content.items():
        dotted = f"{prefix}{key}"
        comment = COMMENTS.get(dotted, "")
        if depth == 0:
            yield "\n"
        if value is None:
            yield f"{indent}# {key}:{f'  # {comment}' if comment else ''}\n"
            continue
        if isinstance(value, dict) and value and depth < _depth_of_flow(dotted):
            yield f"{indent}{_scalar(key)}:{f'  # {comment}' if comment else ''}\n"
            yield from _lines(value, f"{dotted}.", depth + 1)
        else:
            told = f"  # {comment}" if comment else ""
            yield f"{indent}{_scalar(key)}: {_flow(value)}{told}\n"


def _depth_of_flow(dotted: str) -> int:
    """Mappings of values stay on one line each below this depth."""
    return 1 if dotted.startswith("collections.") else 3


def _flow(value: Any) -> str:
    text: str = yaml.safe_dump(value, default_flow_style=True, width=10_000, allow_unicode=True)
    return text.removesuffix("...\n").rstrip("\n").replace("'off'", "off")


def _scalar(key: str) -> str:
    return _flow(key)
