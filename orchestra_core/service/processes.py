"""The processes that the service starts: the desk for plans, and a worker per run."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import suppress
from typing import Any

from orchestra_core.artifacts import open_output
from orchestra_core.layers import is_meant_as_key
from orchestra_core.service.desk import request_as_json
from orchestra_core.service.errors import Busy, DeskFailed
from orchestra_core.service.models import RunBody
from orchestra_core.service.options import ServiceOptions
from orchestra_core.service.orders import Order, OrderBook

PYTHON = (sys.executable, "-P", "-m")
"""-P: a file in the working folder must not stand in for a module."""
DESK_SECONDS = 120.0
DESKS = 2
MOST_WAITING = 8
WORKER_NICE = 10


class Desk:
    """Asks the desk, a few questions at a time."""

    def __init__(self, options: ServiceOptions) -> None:
        self.options = options
        self._seats = asyncio.Semaphore(DESKS)
        self._waiting = 0

    async def plan(self, body: RunBody) -> dict[str, Any]:
        """`plan`, `plan_hash`, `requests`, … of a request, or `error`. Raises Busy, DeskFailed."""
        trusted = self.options.trust_experiments
        return await self._ask(
            {"kind": "plan", "body": body.model_dump(mode="json"), "trusted": trusted}
        )

    async def own(self) -> dict[str, Any]:
        """`experiment` and `runner` of the service, or `error`. Raises Busy, DeskFailed."""
        return await self._ask({"kind": "own"})

    async def plugins(self) -> Any:
        """What `orchestra plugins list --json` prints. Raises Busy, DeskFailed."""
        named = [word for name in self.options.request.plugins for word in ("--plugins", name)]
        found = await self._process("orchestra_core", "plugins", "list", "--json", *named)
        if not isinstance(found, list):
            raise _desk_failed("the plugins could not be listed")
        return found

    async def _ask(self, question: dict[str, Any]) -> dict[str, Any]:
        request = request_as_json(self.options.request)
        content = json.dumps({**question, "request": request}).encode()
        found = await self._process("orchestra_core.service.desk", stdin=content)
        if not isinstance(found, dict):
            raise _desk_failed("it answered with something else")
        return found

    async def _process(self, *words: str, stdin: bytes = b"") -> Any:
        if self._waiting >= MOST_WAITING:
            raise Busy("too many plans are being made at once", retry_after=5)
        self._waiting += 1
        try:
            async with self._seats:
                return await _ask_process(words, stdin)
        finally:
            self._waiting -= 1


async def start_worker(
    options: ServiceOptions, book: OrderBook, order: Order
) -> asyncio.subprocess.Process:
    """Start the process that carries an order's run. Raises StorageError, OSError."""
    words = [
        "run",
        "--json",
        "--again",
        "--run-id",
        order.run_id,
        "--file",
        str(book.experiment(order.run_id)),
    ]
    if order.until is not None:
        words += ["--until", order.until]
    request = options.request
    words += [word for name in request.plugins for word in ("--plugins", name)]
    words += ["--strict-plugins"] if request.strict_plugins else []
    return await _start(options, book, order.run_id, words)


async def start_resumer(
    options: ServiceOptions, book: OrderBook, order: Order
) -> asyncio.subprocess.Process:
    """Start the process that goes on with an interrupted run. Raises StorageError, OSError."""
    return await _start(options, book, order.run_id, ["resume", order.run_id, "--json"])


async def _start(
    options: ServiceOptions, book: OrderBook, run_id: str, words: list[str]
) -> asyncio.subprocess.Process:
    with open_output(book.output(run_id)) as output:
        process = await asyncio.create_subprocess_exec(
            *PYTHON,
            "orchestra_core",
            *words,
            "--home",
            str(options.home.root),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=_environment(of_experiment=False),
            start_new_session=True,  # a Ctrl-C at the service's terminal is the service's to pass on
        )
    with suppress(OSError):  # the service answers while runs keep every core busy
        os.setpriority(os.PRIO_PROCESS, process.pid, os.getpriority(os.PRIO_PROCESS, 0) + WORKER_NICE)
    return process


async def _ask_process(words: tuple[str, ...], stdin: bytes) -> Any:
    process = await asyncio.create_subprocess_exec(
        *PYTHON,
        *words,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=_environment(of_experiment=True),
    )
    try:
        out, _ = await asyncio.wait_for(process.communicate(stdin), DESK_SECONDS)
    except TimeoutError:
        raise _desk_failed(f"it took longer than {DESK_SECONDS:g} s") from None
    finally:
        if process.returncode is None:
            with suppress(ProcessLookupError):
                process.kill()
            await process.wait()
    try:
        return json.loads(out)
    except ValueError:
        raise _desk_failed(f"its process ended with code {process.returncode}") from None


def _environment(*, of_experiment: bool) -> dict[str, str]:
    """This process's, without the token; a worker's experiment is complete and takes no variables."""
    return {
        name: value
        for name, value in os.environ.items()
        if name != "ORCHESTRA_SERVICE_TOKEN" and (of_experiment or not is_meant_as_key(name))
    }


def _desk_failed(told: str) -> DeskFailed:
    return DeskFailed(f"the plan could not be made: {told}", hint="Try `orchestra plan` by hand.")
