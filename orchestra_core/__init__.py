"""Orchestra: plan, race, settle and publish search configurations, with evidence.

Names are imported when first used, so that `import orchestra_core` costs next to nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestra_core.artifacts import ArtifactFolder, Home
    from orchestra_core.datasets import Dataset, DatasetSource
    from orchestra_core.errors import OrchestraError
    from orchestra_core.experiment import Experiment
    from orchestra_core.fields import StrictModel
    from orchestra_core.hookspecs import hookimpl
    from orchestra_core.observation import (
        Answer,
        Failure,
        LatencySample,
        Observation,
        Query,
        Unit,
        UnitResult,
    )
    from orchestra_core.payloads import (
        CommandRegistry,
        ConfigurationEvidence,
        DescribeRequest,
        EventNotice,
        Executor,
        ExecutorRequest,
        FinishedRun,
        GuardEvidence,
        LoadReportRequest,
        PlanRequest,
        PolicyIntent,
        PolicyReceipt,
        PolicyRequest,
        ReportRequest,
        RungEvidence,
        RunnerRequest,
        Tool,
        ToolContext,
    )
    from orchestra_core.plan import Configuration, Plan, StagePlan
    from orchestra_core.probing.figures import LatencyFigure, LoadFigures, LoadReport, TimedRequests
    from orchestra_core.report import Decision, Report, Ruling, Verdict, Winner
    from orchestra_core.runner import (
        Fingerprint,
        Health,
        Load,
        Parameter,
        Runner,
        RunnerDescription,
    )
    from orchestra_core.scheduling.load import drive

__version__ = "0.1.0"

_HOMES = {
    "artifacts": ("ArtifactFolder", "Home"),
    "datasets": ("Dataset", "DatasetSource"),
    "errors": ("OrchestraError",),
    "experiment": ("Experiment",),
    "fields": ("StrictModel",),
    "hookspecs": ("hookimpl",),
    "observation": (
        "Answer",
        "Failure",
        "LatencySample",
        "Observation",
        "Query",
        "Unit",
        "UnitResult",
    ),
    "payloads": (
        "CommandRegistry",
        "ConfigurationEvidence",
        "DescribeRequest",
        "EventNotice",
        "Executor",
        "ExecutorRequest",
        "FinishedRun",
        "GuardEvidence",
        "LoadReportRequest",
        "PlanRequest",
        "PolicyIntent",
        "PolicyReceipt",
        "PolicyRequest",
        "ReportRequest",
        "RungEvidence",
        "RunnerRequest",
        "Tool",
        "ToolContext",
    ),
    "plan": ("Configuration", "Plan", "StagePlan"),
    "probing.figures": ("LatencyFigure", "LoadFigures", "LoadReport", "TimedRequests"),
    "report": ("Decision", "Report", "Ruling", "Verdict", "Winner"),
    "runner": ("Fingerprint", "Health", "Load", "Parameter", "Runner", "RunnerDescription"),
    "scheduling.load": ("drive",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "Answer",
    "ArtifactFolder",
    "CommandRegistry",
    "Configuration",
    "ConfigurationEvidence",
    "Dataset",
    "DatasetSource",
    "Decision",
    "DescribeRequest",
    "EventNotice",
    "Executor",
    "ExecutorRequest",
    "Experiment",
    "Failure",
    "Fingerprint",
    "FinishedRun",
    "GuardEvidence",
    "Health",
    "Home",
    "LatencyFigure",
    "LatencySample",
    "Load",
    "LoadFigures",
    "LoadReport",
    "LoadReportRequest",
    "Observation",
    "OrchestraError",
    "Parameter",
    "Plan",
    "PlanRequest",
    "PolicyIntent",
    "PolicyReceipt",
    "PolicyRequest",
    "Query",
    "Report",
    "ReportRequest",
    "Ruling",
    "RungEvidence",
    "Runner",
    "RunnerDescription",
    "RunnerRequest",
    "StagePlan",
    "StrictModel",
    "TimedRequests",
    "Tool",
    "ToolContext",
    "Unit",
    "UnitResult",
    "Verdict",
    "Winner",
    "__version__",
    "drive",
    "hookimpl",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'orchestra_core' has no attribute '{name}'")
    return getattr(import_module(f"orchestra_core.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return __all__
