"""The application: routes, errors as problems, and the gate around everything."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from orchestra_core import __version__
from orchestra_core.service.gate import Gate
from orchestra_core.service.metrics import Measured, Metrics
from orchestra_core.service.options import ServiceOptions
from orchestra_core.service.pages import Pages, pages
from orchestra_core.service.plain import Plain
from orchestra_core.service.problems import Problem, install
from orchestra_core.service.routes import api, surroundings
from orchestra_core.service.service import Service

_ABOUT = """Tune search configurations over HTTP: start runs, follow them, read their reports.

Errors are `application/problem+json` with `code`, `message` and `hint`."""


def create_app(options: ServiceOptions, hosts: Callable[[], Collection[str]] | None = None) -> FastAPI:
    """The ASGI application.

    `hosts` gives the Host headers that are answered; left out, those of the options' own port.
    """

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        service = Service(options)
        app.state.service = service
        app.state.metrics = Metrics(service)
        app.state.pages = Pages(service)
        await service.open()
        try:
            yield
        finally:
            await service.close()

    app = FastAPI(
        title="Orchestra",
        version=__version__,
        description=_ABOUT,
        lifespan=lifespan,
        docs_url=None,  # they load scripts from elsewhere
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=_operation_id,
        separate_input_output_schemas=False,
    )
    app.include_router(api)
    app.include_router(surroundings)
    app.include_router(pages)
    install(app)
    answered = hosts or (lambda: options.hosts(options.port))
    app.add_middleware(Gate, hosts=answered, token=options.token)
    app.add_middleware(Measured)  # around the gate: what it refuses is counted too
    app.add_middleware(Plain)
    app.openapi = lambda: _openapi(app, needs_token=options.token is not None)  # type: ignore[method-assign]
    return app


def _operation_id(route: APIRoute) -> str:
    return route.name


def _openapi(app: FastAPI, *, needs_token: bool) -> dict[str, Any]:
    if app.openapi_schema is None:
        content = get_openapi(
            title=app.title, version=app.version, description=app.description, routes=app.routes
        )
        schemas = content["components"]["schemas"]
        schemas["Problem"] = Problem.model_json_schema()
        for unused in ("HTTPValidationError", "ValidationError"):  # errors are told as problems
            schemas.pop(unused, None)
        if needs_token:
            content["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
            content["security"] = [{"token": []}]
        app.openapi_schema = content
    return app.openapi_schema
