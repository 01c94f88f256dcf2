"""Errors as problem+json (RFC 9457) with Orchestra's code, message and hint; never a stack."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from orchestra_core.errors import ExperimentError, OrchestraError, nearest
from orchestra_core.layers import sentence_of, validation_errors
from orchestra_core.service.errors import InvalidQuery, ServiceError

MEDIA_TYPE = "application/problem+json"
_LOG = logging.getLogger("orchestra.service")
STATUS_OF_CODE = {
    "usage": 400,
    "data": 409,
    "dataset": 409,
    "denied": 409,
    "run_not_found": 404,
    "already_run": 409,
    "run_in_use": 409,
    "run_changed": 409,
    "storage": 503,
}
"""An error's code → HTTP status; the service's own errors carry theirs, any other is 422."""
HINTS = {
    400: "See /openapi.json for what is expected.",
    404: "GET /openapi.json lists the addresses.",
    405: "GET /openapi.json lists what each address takes.",
    409: "Ask for the run's status.",
    422: "See /openapi.json for what is expected.",
    429: "Ask again after Retry-After.",
    500: "The log of the service says more.",
}
"""What to do next where nobody knows better."""
_PHRASES = {400: "bad_request", 404: "not_found", 405: "method_not_allowed", 406: "not_acceptable"}


class Problem(BaseModel):
    """What went wrong, where, and what to do next."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "type": "about:blank",
                "title": "Not Found",
                "status": 404,
                "code": "run_not_found",
                "message": "there is no run 'fiqa-1'",
                "hint": "Did you mean 'fiqa-2'?",
                "details": {},
            }
        }
    )
    type: str = "about:blank"
    title: str
    """What the status means in general."""
    status: int
    code: str
    """One word for machines."""
    message: str
    hint: str
    """What to do next; never empty."""
    details: dict[str, Any] = {}


def problem(
    status: int,
    code: str,
    message: str,
    hint: str = "",
    *,
    details: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """An answer that says what was wrong."""
    told = Problem(
        title=HTTPStatus(status).phrase,
        status=status,
        code=code,
        message=message,
        hint=hint or HINTS.get(status, HINTS[500]),
        details=dict(details or {}),
    )
    return JSONResponse(told.model_dump(), status, dict(headers or {}), MEDIA_TYPE)


def from_payload(
    error: Mapping[str, Any], status: int | None = None, retry_after: int | None = None
) -> JSONResponse:
    """The answer for an `error` object (`type, msg, hint, details`)."""
    code = str(error["type"])
    status = status or STATUS_OF_CODE.get(code, 422)
    headers = {"Retry-After": str(retry_after)} if retry_after is not None else {}
    told, hint = str(error["msg"]), str(error.get("hint", ""))
    return problem(status, code, told, hint, details=error.get("details"), headers=headers)


def install(app: FastAPI) -> None:
    """Have every error of `app` told as a problem."""
    app.add_exception_handler(OrchestraError, _orchestra)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)


def _orchestra(_request: Request, error: Exception) -> Response:
    assert isinstance(error, OrchestraError)  # noqa: S101 - for the type checker
    payload = error.as_payload()
    if isinstance(error, ServiceError):
        return from_payload(payload, error.status, error.retry_after)
    return from_payload(payload)


def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - for the type checker
    found, body = error.errors(), request.scope["route"].body_field
    if body is not None and all(told["loc"][0] == "body" for told in found):
        model = body.field_info.annotation
        try:
            with validation_errors((), error.body, model):
                model.model_validate(error.body)
        except ExperimentError as told:
            hint = told.hint if told.hint.startswith("Did you") else HINTS[422]
            return from_payload({**told.as_payload(), "type": "invalid", "hint": hint})
    problems = [_complaint(told) for told in found]
    message = f"{problems[0]['where']}: {problems[0]['msg']}"
    return problem(422, "invalid", message, HINTS[422], details={"problems": problems})


def _complaint(error: Mapping[str, Any]) -> dict[str, str]:
    where: Sequence[Any] = error["loc"][1:] or error["loc"]
    return {
        "where": ".".join(str(part)[:80] for part in where)[:200],
        "msg": sentence_of(error)[:300],
        "hint": HINTS[422],
    }


def only_known_query(request: Request) -> None:
    """A dependency of every route. Raises InvalidQuery for what the route does not know."""
    known = [field.alias for field in request.scope["route"].dependant.query_params]
    seen: set[str] = set()
    for name, _ in request.query_params.multi_items():
        if name not in known:
            hint = nearest(name, known) or "This address takes no parameters."
            raise InvalidQuery(f"unknown query parameter '{name[:80]}'", hint=hint)
        if name in seen:
            raise InvalidQuery(f"the query parameter '{name}' stands twice", hint="Send it once.")
        seen.add(name)


def _http(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - for the type checker
    code = _PHRASES.get(error.status_code, "http")
    told = {404: "there is nothing at this address", 405: "this address has no such method"}
    message = told.get(error.status_code, str(error.detail))
    allowed = (error.headers or {}).get("allow")
    hint = f"It takes {allowed}." if allowed else ""
    return problem(error.status_code, code, message, hint, headers=error.headers)


def _unexpected(_request: Request, error: Exception) -> Response:
    _LOG.error("unexpected error", exc_info=error)
    return problem(500, "internal", "the service made a mistake", "Its log shows where.")
