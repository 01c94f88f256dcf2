"""What the API says of its answers is what it answers."""

from __future__ import annotations

import json
import typing
from collections.abc import Iterator

import pytest
from pydantic import BaseModel

from orchestra_core.service import answers
from orchestra_core.service.problems import Problem

ANSWERS = [
    answers.Accepted,
    answers.DryRun,
    answers.Health,
    answers.Plugins,
    answers.ReportAnswer,
    answers.Runs,
    answers.Status,
    Problem,
]


def unknown(model: typing.Any, content: typing.Any, where: str = "") -> Iterator[str]:
    """Keys of some JSON that a model does not know."""
    if isinstance(model, type) and issubclass(model, BaseModel):
        for key, value in content.items() if isinstance(content, dict) else ():
            field = model.model_fields.get(key)
            if field is None:
                yield f"{where}.{key}"
            else:
                yield from unknown(field.annotation, value, f"{where}.{key}")
        return
    values = content if isinstance(content, list) else [content]
    if typing.get_origin(model) is dict and isinstance(content, dict):
        values = list(content.values())
    for inner in typing.get_args(model):
        for value in values:
            yield from unknown(inner, value, where)


def surplus(model: type[BaseModel], content: typing.Any) -> list[str]:
    """What the content has and the model lacks. Raises ValidationError where it lacks something."""
    model.model_validate_json(json.dumps(content))
    return list(unknown(model, content, model.__name__))


@pytest.mark.parametrize("model", ANSWERS, ids=lambda model: model.__name__)
def test_every_answer_has_an_example_that_fits(model):
    assert surplus(model, model.model_json_schema()["example"]) == []


def test_every_answer_is_what_its_model_says(served):
    accepted = served.run()
    assert surplus(answers.Accepted, accepted) == []
    run_id = accepted["run_id"]
    assert surplus(answers.Status, served.wait(run_id)) == []
    assert surplus(answers.DryRun, served.post("/orchestrate/run", {"dry_run": True}).json()) == []
    found = {
        "/healthz": answers.Health,
        "/readyz": answers.Health,
        "/orchestrate/plugins": answers.Plugins,
        "/orchestrate/runs": answers.Runs,
        f"/orchestrate/report?run_id={run_id}": answers.ReportAnswer,
        "/orchestrate/status?run_id=nothing": Problem,
    }
    for path, model in found.items():
        assert surplus(model, served.get(path).json()) == []
    described = served.get("/openapi.json").json()["components"]["schemas"]
    assert all("example" in described[model.__name__] for model in ANSWERS)
