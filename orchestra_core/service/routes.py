"""The API's routes; what they do is in `service`."""

from __future__ import annotations

import mimetypes
import re
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Header, Query, Request
from fastapi.responses import JSONResponse, Response

from orchestra_core.service.answers import (
    Accepted,
    DryRun,
    Health,
    Plugins,
    ReportAnswer,
    Runs,
    Status,
)
from orchestra_core.service.errors import InvalidPlace, ServiceError
from orchestra_core.service.files import FileAnswer
from orchestra_core.service.models import RunBody, RunId, RunReference
from orchestra_core.service.problems import MEDIA_TYPE, from_payload, only_known_query, problem
from orchestra_core.service.service import Service
from orchestra_core.service.views import links_of

ARTIFACT_POLICY = (
    "sandbox allow-scripts; default-src 'none'; script-src 'unsafe-inline'; "
    "style-src 'unsafe-inline'; img-src data:"
)
"""A run's files come from plugins: a page among them runs apart, and reaches nothing."""
_NUMBER = "[0-9]{1,16}"
_KEY = re.compile(r"[!-~]{1,255}")
_KEY_TOLD = "an Idempotency-Key has 1 to 255 visible ASCII characters"
_TEXTS = {".jsonl": "application/x-ndjson", ".md": "text/markdown; charset=utf-8", ".log": "text/plain"}


def told(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The problems that a route may answer with, for OpenAPI."""
    schema = {"schema": {"$ref": "#/components/schemas/Problem"}}
    return {
        status: {"description": _DESCRIPTIONS[status], "content": {MEDIA_TYPE: schema}}
        for status in (400, 401, *statuses)
    }


SENT_EVENT = {
    "type": "object",
    "required": ["data"],
    "properties": {
        "id": {"type": "string", "description": "The event's number"},
        "event": {"type": "string", "description": "`end` for the last one"},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
}
_DESCRIPTIONS = {
    400: "Not a request that can be read, or not for this host",
    401: "A token is needed",
    403: "Not allowed to ask that",
    404: "There is no such run or file",
    408: "The body came too slowly",
    409: "Not possible as things stand; the hint says what to do",
    413: "The body is too large",
    415: "The body must be application/json",
    422: "The request asks for something that is not valid",
    429: "Too much at once; ask again after Retry-After",
    503: "The service cannot do that at the moment",
}
_CHANGING = (403, 408, 413, 415, 422)


def service_of(request: Request) -> Service:
    """The application's service."""
    service: Service = request.app.state.service
    return service


ServiceHere = Annotated[Service, Depends(service_of)]
RunQuery = Annotated[RunId, Query(description="The run's id")]

STRICT = [Depends(only_known_query)]
api = APIRouter(prefix="/orchestrate", tags=["orchestrate"], dependencies=STRICT)
surroundings = APIRouter(tags=["surroundings"], dependencies=STRICT)


@api.post(
    "/run",
    status_code=202,
    response_model=Accepted,
    responses={
        200: {"description": "The plan, or the run that the same request led to before",
              "model": Accepted | DryRun},
        **told(*_CHANGING, 409, 429, 503),
    },
)  # fmt: skip
async def run(
    body: RunBody,
    service: ServiceHere,
    idempotency_key: Annotated[str | None, Header(max_length=255)] = None,
) -> Response:
    """Queue a run, or with `dry_run` answer with its plan.

    The same request again, while its run waits, runs or is completed, answers with that run; `again`
    insists on a new one. With an Idempotency-Key that holds however the run ended.
    """
    if idempotency_key is not None and not _KEY.fullmatch(idempotency_key):
        return problem(422, "invalid", _KEY_TOLD)
    if not body.dry_run:
        if known := await service.by_key(idempotency_key, body):
            return await _accepted(service, known.run_id, existing=True)
        service.check_room(body)
    planned = await service.plan(body)
    if "error" in planned:
        return from_payload(planned["error"], planned["status"])
    content = planned["ok"]
    if body.dry_run:
        return JSONResponse({"dry_run": True, **content})
    order, existing = await service.accept(body, idempotency_key, content)
    return await _accepted(service, order.run_id, existing=existing)


@api.get("/status", response_model=Status, responses=told(404, 422, 503))
async def status(run_id: RunQuery, service: ServiceHere) -> Response:
    """How far a run is, what it found so far, and what it decided."""
    return Response(await service.status(run_id), media_type="application/json")


@api.get("/report", response_model=ReportAnswer, responses=told(404, 409, 422, 503))
async def report(run_id: RunQuery, service: ServiceHere) -> Response:
    """The whole report of a run that has begun, and where each of its files is served."""
    return JSONResponse(await service.report(run_id))


@api.get("/runs", response_model=Runs, responses=told(422, 503))
async def runs(
    service: ServiceHere,
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    offset: Annotated[int, Query(ge=0, le=1_000_000)] = 0,
) -> Response:
    """The runs of the home folder, whoever started them."""
    return JSONResponse(await service.listing.runs(limit, offset))


@api.post("/cancel", status_code=202, response_model=Status, responses=told(*_CHANGING, 404, 409, 503))
async def cancel(body: RunReference, service: ServiceHere) -> Response:
    """Take a run from the queue, or interrupt it; it writes the report of what is done."""
    await service.cancel(body.run_id)
    return Response(await service.status(body.run_id), 202, media_type="application/json")


@api.post(
    "/resume",
    status_code=202,
    response_model=Status,
    responses=told(*_CHANGING, 404, 409, 429, 503),
)
async def resume(body: RunReference, service: ServiceHere) -> Response:
    """Go on with a run that was interrupted; no finished unit is repeated."""
    await service.resume(body.run_id)
    return Response(await service.status(body.run_id), 202, media_type="application/json")


@api.get(
    "/events",
    response_class=Response,
    responses={
        200: {"description": "Server-sent events: each has the event's number as id, and its JSON as "
                             "data. A last one named `end` says that no more will come.",
              "content": {"text/event-stream": {"schema": SENT_EVENT}}},
        **told(404, 422, 429, 503),
    },
)  # fmt: skip
async def events(
    run_id: RunQuery,
    service: ServiceHere,
    after: Annotated[int, Query(ge=0, le=2**53, description="The last event already known")] = 0,
    last_event_id: Annotated[str | None, Header(json_schema_extra={"pattern": f"^{_NUMBER}$"})] = None,
) -> Response:
    """A run's journal as it is written; a client that sends Last-Event-ID goes on from there."""
    if last_event_id is not None:
        after = _number(last_event_id)
    last = (await service.follower(run_id)).last_seq
    if after > last:
        told = f"the run has {last} events, none after which {after} would come"
        raise InvalidPlace(told, hint="Begin anew, without Last-Event-ID and `after`.")
    return service.streams.response(run_id, after)


@api.get("/plugins", response_model=Plugins, responses=told(429, 503))
async def plugins(service: ServiceHere) -> Response:
    """Every installed plugin with version, status, hooks, and why it failed."""
    return JSONResponse({"plugins": await service.plugins()})


@api.get(
    "/artifacts/{run_id}/{path:path}",
    response_class=Response,
    responses={200: {"description": "The file"}, **told(404, 409, 422, 503)},
)
async def artifact(run_id: RunId, path: str, service: ServiceHere) -> Response:
    """A file of a run, by its path relative to the home folder, as the report names it."""
    found = await service.artifact(run_id, path)
    kind = _TEXTS.get(found.suffix) or mimetypes.guess_type(found.name)[0] or "application/octet-stream"
    headers = {"Content-Security-Policy": ARTIFACT_POLICY, "Accept-Ranges": "none"}
    return FileAnswer(found, kind, headers)


@surroundings.get("/healthz", response_model=Health, responses=told())
async def healthz() -> Response:
    """The process answers. Needs no token."""
    return JSONResponse({"status": "ok"})


@surroundings.get("/readyz", response_model=Health, responses=told(503))
async def readyz(service: ServiceHere) -> Response:
    """A run could be accepted: a place in the queue is free, and the home folder can be written."""
    counts = {"running": len(service.pool.running), "queued": len(service.pool.waiting)}
    try:
        service.pool.check_room()
        service.check_home()
    except ServiceError as error:
        return problem(503, error.code, error.message, error.hint, details=counts)
    return JSONResponse({"status": "ok", **counts})


@surroundings.get(
    "/metrics",
    response_class=Response,
    responses={200: {"description": "Prometheus text", "content": {"text/plain": {}}}, **told()},
)
async def metrics(request: Request) -> Response:
    """Figures for Prometheus."""
    content, kind = request.app.state.metrics.exposition()
    return Response(content, media_type=kind)


def _number(last_event_id: str) -> int:
    """The number of the event that a client saw last. Raises InvalidPlace."""
    if not re.fullmatch(_NUMBER, last_event_id):
        told = "Last-Event-ID is not the number of an event"
        raise InvalidPlace(told, hint="Send the id of the last event that came, or leave it out.")
    return int(last_event_id)


async def _accepted(service: Service, run_id: str, *, existing: bool) -> Response:
    standing, links = await service.standing(run_id), links_of(run_id)
    content = Accepted(
        run_id=run_id,
        status=standing.status,
        queue_position=standing.position,
        existing=existing,
        links=links,
    )
    headers = {"Location": links["status"]}
    return JSONResponse(content.model_dump(), 200 if existing else 202, headers)
