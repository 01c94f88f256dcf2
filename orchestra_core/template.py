"""The commented experiment file that `orchestra init` writes: real values, a comment per key.

Comments are the descriptions of the models' own fields, so file, schema and documentation agree.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml
from pydantic import BaseModel

from orchestra_core.experiment import Experiment
from orchestra_core.fields import Margin

HEADER = """\
# An Orchestra experiment. Every key has a default; delete what you do not want to change.
#   orchestra plan     what a run would do; nothing is sent
#   orchestra run      carry it out
# Keys are checked strictly; `orchestra config schema` describes them all.
"""
LONGEST_COMMENT = 100


def commented_yaml(experiment: Experiment, settings: Mapping[str, BaseModel]) -> str:
    """The experiment as YAML with comments; reading it gives the same experiment again."""
    return HEADER + "".join(_model_lines(experiment.model_copy(update={"plugins": settings}), 0))


def _model_lines(model: BaseModel, depth: int) -> Iterator[str]:
    for name, field in type(model).model_fields.items():
        value = getattr(model, name)
        about = field.description or (type(value).__doc__ if isinstance(value, BaseModel) else "")
        if depth == 0:
            yield "\n"
        yield from _lines(name, value, _comment(about or ""), depth)


def _lines(name: str, value: Any, comment: str, depth: int) -> Iterator[str]:
    indent = "  " * depth
    if value is None:
        yield f"{indent}# {name}:{comment}\n"
    elif isinstance(value, BaseModel) and not isinstance(value, Margin) and depth < 3:
        yield f"{indent}{name}:{comment}\n"
        yield from _model_lines(value, depth + 1)
    elif isinstance(value, dict) and value:
        yield f"{indent}{name}:{comment}\n"
        for key, inner in value.items():
            nested = inner if name == "plugins" else _plain(inner)
            yield from _lines(_flow(key), nested, "", depth + 1)
    else:
        yield f"{indent}{name}: {_flow(_plain(value))}{comment}\n"


def _plain(value: Any) -> Any:
    """JSON values; a margin as the user would write it."""
    if isinstance(value, Margin):
        return f"{value.relative * 100:g}%" if value.relative is not None else value.absolute
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_none=True)
    return list(value) if isinstance(value, tuple) else value


def _comment(description: str) -> str:
    """The description on one line, or its first sentence where that is too long."""
    text = " ".join(description.split())
    if len(text) > LONGEST_COMMENT:
        text = text.partition(". ")[0].rstrip(".") + "."
    return f"  # {text}" if text else ""


def _flow(value: Any) -> str:
    text: str = yaml.safe_dump(value, default_flow_style=True, width=10_000, allow_unicode=True)
    return text.removesuffix("...\n").rstrip("\n").replace("'off'", "off")
