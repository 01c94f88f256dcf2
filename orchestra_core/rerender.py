"""Render a run's artifacts again: the report is folded from the journal, the reporters do the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from orchestra_core.artifacts import ArtifactFolder, Home
from orchestra_core.errors import OrchestraError, StorageError
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
    """The fold of a journal of which nothing is lost. Raises RunNotFound, StorageError.

    A line that a killed process tore, and the next one sealed, has used no number: it held nothing.
    """
    reader, state = open_journal(home, run_id), RunState()
    number, seen, lost = 0, 0, 0
    for event in reader:
        if event.seq != number + 1:
            lost = lost or number + 1
        number, seen = event.seq, reader.bad_lines
        state.apply(event)
    if lost or reader.bad_lines > seen:  # after the last good line nobody knows what was there
        raise StorageError(
            f"the journal is damaged: event {lost or number + 1} is lost, so a report might differ",
            where=str(reader.path),
            hint="Restore the journal from a copy; `orchestra status` shows what is still readable, "
            f"and `orchestra verify {run_id}` which lines they are.",
        )
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
