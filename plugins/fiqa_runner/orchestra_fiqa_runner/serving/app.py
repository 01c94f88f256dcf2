"""The server's routes, over one open embedded runner."""

from __future__ import annotations

from dataclasses import asdict
from time import perf_counter
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from orchestra_core.errors import ExperimentError, nearest
from orchestra_core.plan import Configuration
from orchestra_fiqa_runner.evaluating import failure_of
from orchestra_fiqa_runner.serving.faults import Fault, FaultMiddleware
from orchestra_fiqa_runner.serving.messages import (
    EmbeddingsHealth,
    ErrorBody,
    QueryAnswer,
    QueryRequest,
    Ready,
)
from orchestra_fiqa_runner.serving.policy import Keeper, add_policy

if TYPE_CHECKING:
    from collections.abc import Mapping

    from orchestra_fiqa_runner.runner import FiqaRunner

EXCERPT = 300
"""Characters of a document that an answer shows."""
NO_RERANKER = "this engine has no reranker"
_ERRORS: dict[int | str, dict[str, Any]] = {
    422: {"model": ErrorBody, "description": "A field is wrong, or asks for what the engine has not."},
    500: {"model": ErrorBody, "description": "The engine failed on this question."},
}


def create_app(
    runner: FiqaRunner,
    texts: Mapping[str, str],
    collection: str,
    faults: tuple[Fault, ...] = (),
    seed: int = 0,
) -> FastAPI:
    """The application. `texts`: document id → text; `collection`: for requests that name none."""
    app = FastAPI(
        title="Orchestra's embedded FiQA engine",
        description="Hybrid search over one dataset. No authentication: for this machine only.",
        docs_url=None,  # the page behind it would load scripts from elsewhere
        redoc_url=None,
    )
    app.add_exception_handler(RequestValidationError, _refuse)
    app.add_exception_handler(HTTPException, _refuse)
    keeper = Keeper(runner, collection)
    _add_query(app, runner, texts, collection, keeper)
    _add_health(app, runner)
    add_policy(app, keeper)
    if faults:
        app.add_middleware(FaultMiddleware, faults=faults, seed=seed)
    return app


def _add_query(
    app: FastAPI, runner: FiqaRunner, texts: Mapping[str, str], collection: str, keeper: Keeper
) -> None:
    @app.post("/api/query", response_model=QueryAnswer, responses=_ERRORS)
    async def query(request: QueryRequest) -> JSONResponse:
        """Search one collection."""
        # Not handed to a thread: the engine holds the interpreter for a millisecond or two, and
        # threads that take turns at it would only make each other's answers late.
        if request.rerank:
            return _error(422, "not_supported", NO_RERANKER, "Send rerank: false, or leave it out.")
        parameters = keeper.over(request).parameters(collection)
        asked = Configuration(config_id="request", parameters=parameters)
        try:
            found = runner.ask(asked, request.question)
        except ExperimentError as error:
            return _error(422, error.code, error.message, error.hint)
        except Exception as error:
            failure = failure_of(error)
            return _error(500, failure.reason, failure.message, failure.hint)
        items = [
            {"doc_id": document_id, "score": score, "text": texts[document_id][:EXCERPT]}
            for document_id, score in zip(found.ids, found.scores, strict=True)
        ]
        return JSONResponse(
            {
                "items": items,
                "latency_ms": found.latency_ms,
                "latency_breakdown_ms": found.breakdown_ms,
                "cost": found.cost,
            }
        )


def _add_health(app: FastAPI, runner: FiqaRunner) -> None:
    @app.get("/ready")
    async def ready() -> Ready:
        """Whether questions can be asked, and what is served."""
        return Ready(status="ready", **asdict(runner.fingerprint()))

    @app.get("/api/health/embeddings", response_model=EmbeddingsHealth, responses={503: _ERRORS[500]})
    async def embeddings() -> JSONResponse:
        """Embeds a word, and says whether a vector came of it."""
        began = perf_counter()
        try:
            dimensions = runner.embedded_dimensions("health")
        except Exception as error:
            return _error(503, failure_of(error).reason, failure_of(error).message)
        milliseconds = (perf_counter() - began) * 1000
        return JSONResponse({"status": "ok", "dimensions": dimensions, "milliseconds": milliseconds})


async def _refuse(_request: Request, error: Exception) -> JSONResponse:
    """The first thing that is wrong with a request, and for an unknown field the nearest known one."""
    if isinstance(error, HTTPException):
        return _error(error.status_code, "http", str(error.detail))
    problem = error.errors()[0] if isinstance(error, RequestValidationError) else {}
    place = ".".join(str(part) for part in problem.get("loc", ())[1:])
    message = str(problem.get("msg", error))
    hint = ""
    if problem.get("type") == "extra_forbidden":
        message, hint = "there is no such field", nearest(place, QueryRequest.model_fields)
    return _error(422, "invalid_request", f"{place}: {message}" if place else message, hint)


def _error(status: int, kind: str, message: str, hint: str = "") -> JSONResponse:
    return JSONResponse({"error": {"type": kind, "msg": message, "hint": hint}}, status_code=status)
