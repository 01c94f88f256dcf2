"""Open the engine for an experiment's dataset, and listen."""

from __future__ import annotations

import logging
import socket
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

import uvicorn

from orchestra_core.errors import InfrastructureError
from orchestra_core.payloads import RunnerRequest
from orchestra_core.plan import Configuration
from orchestra_core.session import Request, cache_folder, open_session
from orchestra_fiqa_runner.backends.embedded import open_backend
from orchestra_fiqa_runner.description import RUNNER_NAME, default_collection
from orchestra_fiqa_runner.serving.app import create_app

if TYPE_CHECKING:
    from collections.abc import Callable

    from fastapi import FastAPI

    from orchestra_core.experiment import Experiment
    from orchestra_fiqa_runner.serving.faults import Fault


def open_app(request: Request, faults: tuple[Fault, ...], seed: int) -> FastAPI:
    """The application over the experiment's dataset and collections, with every index open.

    Raises ExperimentError, PluginError, DatasetUnavailable, StorageError.
    """
    assignments = (*request.assignments, "runner.plugin=fiqa", "runner.backend=embedded")
    plugins = (*request.plugins, RUNNER_NAME)
    session = open_session(replace(request, assignments=assignments, plugins=plugins))
    dataset, experiment = session.open_dataset(), session.experiment
    collection = _collection(experiment)
    runner = open_backend(
        RunnerRequest(
            experiment=experiment,
            dataset=dataset,
            configurations=[_warm(name) for name in experiment.collections],
            cache_dir=cache_folder(RUNNER_NAME),
            emit=lambda _event_type, _payload: None,
            settings=session.host.settings.get(RUNNER_NAME),
        )
    )
    for name in experiment.collections:  # what libraries put off to their first use is done now
        runner.ask(_warm(name), "a first question")
    return create_app(runner, dataset.corpus, collection, faults, seed)


def _collection(experiment: Experiment) -> str:
    """The one of whole documents, else the first that is declared."""
    known = experiment.collections
    default = default_collection(experiment.dataset)
    return default if default in known else next(iter(known), default)


def _warm(collection: str) -> Configuration:
    return Configuration(
        config_id=collection, parameters={"collection": collection, "alpha": 0.5, "mmr": 0.3}
    )


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens; port 0 takes any that is free. Raises InfrastructureError."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        # The protocol is named because asyncio switches Nagle's delay off only where it is.
        with ExitStack() as closing:
            listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
            closing.callback(listening.close)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind(address)
            listening.listen(2048)
            closing.pop_all()
    except (OSError, OverflowError, UnicodeError) as error:
        raise InfrastructureError(
            f"cannot listen on {host} port {port}: {getattr(error, 'strerror', None) or error}",
            where="orchestra fiqa serve",
            hint="Choose another --port; --port 0 takes any that is free.",
        ) from error
    return listening


def run_server(app: FastAPI, listening: socket.socket, told: Callable[[str], None]) -> None:
    """Serve until interrupted; `told` hears the address once requests are taken."""
    logging.getLogger("uvicorn.error").addFilter(_Wanted())
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, lifespan="off", timeout_graceful_shutdown=2
    )
    host, port = listening.getsockname()[:2]
    told(f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}")
    try:
        uvicorn.Server(config).run(sockets=[listening])
    except KeyboardInterrupt:
        return


class _Wanted(logging.Filter):
    """Answers that were cut off or left out on purpose are no news."""

    def filter(self, record: logging.LogRecord) -> bool:
        return "without completing response" not in record.getMessage() and (
            "without starting response" not in record.getMessage()
        )
