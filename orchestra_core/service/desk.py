"""The desk: makes plans, in a process of its own per question.

`python -m orchestra_core.service.desk` reads one JSON object and answers with one. Plugins are loaded
and datasets opened here and never in the service itself, which a plugin thus cannot stop or fill.
"""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from orchestra_core.errors import DatasetUnavailable, GuardDenied, OrchestraError, describe_error
from orchestra_core.layers import read_layers
from orchestra_core.service.asking import UNTIL, base_layers, check_dataset, check_limits, patches
from orchestra_core.service.errors import ServiceError
from orchestra_core.service.models import RunBody
from orchestra_core.session import Request, Session, find_dataset, open_session


@dataclass(frozen=True)
class Question:
    """What the service asks the desk."""

    body: RunBody
    request: Request
    trusted: bool


def make_plan(question: Question) -> dict[str, Any]:
    """The plan of a request. Raises OrchestraError."""
    from orchestra_core.estimate import estimate
    from orchestra_core.payloads import GuardEvidence

    session = open_asked(question)
    _refuse_missing_data(session)
    plan = session.make_plan(session.open_dataset())
    rulings = session.calls.guard(GuardEvidence("plan", "", plan))
    denied = [r for r in rulings if r.kind == "deny"]
    if denied and not question.body.dry_run:
        told = "; ".join(f"{r.plugin} ({r.rule}): {r.reason}" for r in denied)
        raise GuardDenied(f"the plan was denied by {told}", hint=denied[0].hint)
    guess = estimate(session, plan)
    return {
        "plan": plan.model_dump(mode="json"),
        "plan_hash": plan.plan_hash,
        "requests": plan.requests,
        "estimated_seconds": guess.seconds,
        "estimate_basis": guess.basis,
        "rulings": [ruling.model_dump(mode="json") for ruling in rulings],
    }


def open_asked(question: Question) -> Session:
    """The session of what a body asks for. Raises OrchestraError."""
    request, body = question.request, question.body
    environ = dict(os.environ)
    own = read_layers(request.file, environ, request.assignments)
    ours = open_session(request, layers=own)
    layers = base_layers(body, own, trusted=question.trusted)
    base = ours if layers is own else open_session(request, layers=layers)
    paths = ours.experiment.paths.model_dump()
    for path, value, origin in (*patches(body, base.experiment), (("paths",), paths, "service")):
        layers = layers.with_value(path, value, origin)
    asked = Request(**{**vars(request), "until": UNTIL[body.mode]})
    session = open_session(asked, layers=layers)
    if not question.trusted:
        check_limits(session.experiment, ours.experiment)
        check_dataset(session.experiment, ours.experiment)
    return session


def describe_own(request: Request) -> dict[str, Any]:
    """The service's own experiment, complete, and its runner. Raises OrchestraError."""
    session = open_session(request)
    if session.experiment.dataset:  # else every request names its own
        find_dataset(session.calls, session.experiment.dataset, session.layers.place(("dataset",)))
    return {"experiment": session.experiment.model_dump(mode="json"), "runner": session.runner_plugin}


def _refuse_missing_data(session: Session) -> None:
    """A service fetches nothing because somebody asked it a question."""
    name = session.experiment.dataset
    source, _ = find_dataset(session.calls, name)
    if source.is_missing:
        raise DatasetUnavailable(
            f"the data of '{name}' is not on this machine",
            hint=f"Fetch it once, where the service runs: orchestra data pull {name}",
        )


def answer(question: dict[str, Any]) -> dict[str, Any]:
    """`{"ok": …}`, or `{"error": …}` as in failure events."""
    request = request_from(question["request"])
    try:
        if question["kind"] == "own":
            return {"ok": describe_own(request)}
        body = RunBody.model_validate(question["body"])
        return {"ok": make_plan(Question(body, request, question["trusted"]))}
    except OrchestraError as error:
        status = error.status if isinstance(error, ServiceError) else None
        return {"error": error.as_payload(), "status": status}
    except Exception as error:
        told = describe_error(error)
        hint = "This is a bug in Orchestra or in a plugin; `orchestra plan` may tell more."
        return {"error": {**told, "type": "internal", "hint": hint}, "status": 500}


def request_as_json(request: Request) -> dict[str, Any]:
    """What of a request crosses to another process."""
    return {
        "file": None if request.file is None else str(request.file),
        "assignments": list(request.assignments),
        "plugins": list(request.plugins),
        "strict_plugins": request.strict_plugins,
        "home": None if request.home is None else str(request.home),
    }


def request_from(content: dict[str, Any]) -> Request:
    """The other way round."""
    return Request(
        file=None if content["file"] is None else Path(content["file"]),
        assignments=tuple(content["assignments"]),
        plugins=tuple(content["plugins"]),
        strict_plugins=content["strict_plugins"],
        home=None if content["home"] is None else Path(content["home"]),
    )


def main() -> None:
    """Answer one question; plugins' own prints go to stderr."""
    told, sys.stdout = sys.stdout, sys.stderr
    found = answer(json.load(sys.stdin))
    told.write(json.dumps(found, allow_nan=False))
    told.flush()


if __name__ == "__main__":
    main()
