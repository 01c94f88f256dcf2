"""Tools over finished and running runs, for servers such as an MCP server to offer."""

from __future__ import annotations

from typing import Any

from orchestra_core.fields import Name, StrictModel
from orchestra_core.hookspecs import hookimpl
from orchestra_core.payloads import Tool, ToolContext


class NoArguments(StrictModel):
    """A tool that takes nothing."""


class RunArguments(StrictModel):
    """A tool about one run."""

    run_id: Name


@hookimpl
def orchestra_tools(context: ToolContext) -> list[Tool]:
    """`list_runs` and `run_report`."""
    from orchestra_core.artifacts import Home
    from orchestra_core.journal import memory
    from orchestra_core.journal.reporting import build_report

    home = Home(context.home)

    def list_runs(_arguments: NoArguments) -> dict[str, Any]:
        return {"runs": [dict(entry) for entry in memory.entries(home)]}

    def run_report(arguments: RunArguments) -> dict[str, Any]:
        return build_report(memory.load_state(home, arguments.run_id)).model_dump(mode="json")

    return [
        Tool("list_runs", "All runs with status, verdict and winner", NoArguments, list_runs),
        Tool("run_report", "The whole report of one run", RunArguments, run_report),
    ]
