"""Render a run's artifacts again: the report is folded from the journal, the reporters do the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from orchestra_core.artifacts import ArtifactFolder, Home
from orchestra_core.errors import OrchestraError, StorageError
from orchestra_core.journal.continuity import Continuity, damage_told
from orchestra_core.journal.memory import open_journal
from orchestra_core.journal.reporting import build_report, plan_of
from orchestra_core.journal.state import RunState
from orchestra_core.payloads import ReportRequest
from orchestra_core.plugins.calls import HookCalls
from orchestra_core.plugins.manager import PluginHost, open_host
from orchestra_core.plugins.selection import parse_selection
from orchestra_core.report import Report


def render_again(home: Home, run_id: str, plugins: Sequence[str] = ()) -> tuple[Report, list[str]]:
    """The report and the artifacts written, as paths relative to the home folder.

    Reporters get the settings the run was started with. Raises RunNotFound, StorageError, HookError.
    """
    state = whole_state(home, run_id)
    report, folder = build_report(state), home.report_folder(run_id)
    render(report, folder, HookCalls(open_host_of(state, plugins)))
    return report, folder.written


def whole_state(home: Home, run_id: str) -> RunState:
    """The fold of a journal of which nothing is lost. Raises RunNotFound, StorageError."""
    reader, state, continuity = open_journal(home, run_id), RunState(), Continuity()
    for event in reader:
        continuity.take(event, reader.bad_lines)
        state.apply(event)
    if lost := continuity.lost(reader.bad_lines):
        told, hint = damage_told(run_id, lost)
        raise StorageError(told, where=str(reader.path), hint=hint)
    return state


def open_host_of(state: RunState, plugins: Sequence[str]) -> PluginHost:
    """The plugins installed now, with the settings of the run."""
    host = open_host(parse_selection(plugins))
    sections = plan_of(state).experiment.plugins
    host.apply_settings({n: s for n, s in sections.items() if n in host.settings_models})
    return host


def render(report: Report, folder: ArtifactFolder, calls: HookCalls) -> None:
    """Have every reporter tell the report into the folder. Raises the first error of any."""
    errors: list[OrchestraError] = []
    trouble = replace(calls, on_error=errors.append).report(ReportRequest(report, folder))
    if trouble is not None:
        raise trouble
    if errors:
        raise errors[0]
