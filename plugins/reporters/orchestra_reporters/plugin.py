"""Hook implementations only; `writing` imports whatever draws or formats when a run asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from orchestra_core.hookspecs import hookimpl
from orchestra_reporters.settings import ReportersSettings
from orchestra_reporters.writing import write_all

if TYPE_CHECKING:
    from orchestra_core.payloads import LoadReportRequest, ReportRequest


@hookimpl
def orchestra_settings() -> type[ReportersSettings]:
    """The model of `plugins: {reporters: {…}}`."""
    return ReportersSettings


@hookimpl
def orchestra_report(request: ReportRequest) -> None:
    """Write this plugin's artifacts. Raises ArtifactsFailed after all that could be were written."""
    settings = request.settings
    chosen = settings if isinstance(settings, ReportersSettings) else ReportersSettings()
    write_all(request.report, chosen, request.artifacts)


@hookimpl
def orchestra_load_report(request: LoadReportRequest) -> None:
    """Draw latency against rate."""
    settings = request.settings
    chosen = settings if isinstance(settings, ReportersSettings) else ReportersSettings()
    if chosen.plots:
        from orchestra_reporters.latency_rate_png import render

        request.artifacts.write_bytes("latency_rate.png", render(request.report, chosen))
