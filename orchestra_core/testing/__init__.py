"""What plugin authors test with: stub plugins, sample reports, conformance classes, fixtures.

The fixtures are installed with the package (pytest entry point `orchestra`); the rest is imported:

    from orchestra_core.testing import RunnerConformance

    class TestMyRunner(RunnerConformance):
        @pytest.fixture
        def plugin(self):
            return my_package.plugin

Names are imported when first used, because pytest loads this room in every session.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from orchestra_core.testing.conformance import ReporterConformance, RunnerConformance
    from orchestra_core.testing.reports import SAMPLES
    from orchestra_core.testing.running import FinishedExperiment, RunOrchestra, run_stubs
    from orchestra_core.testing.stubs import (
        StubDatasets,
        StubReporter,
        StubRunner,
        StubTarget,
        make_dataset,
    )

_HOMES = {
    "conformance": ("ReporterConformance", "RunnerConformance"),
    "reports": ("SAMPLES",),
    "running": ("FinishedExperiment", "RunOrchestra", "run_stubs"),
    "stubs": ("StubDatasets", "StubReporter", "StubRunner", "StubTarget", "make_dataset"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "SAMPLES",
    "FinishedExperiment",
    "ReporterConformance",
    "RunOrchestra",
    "RunnerConformance",
    "StubDatasets",
    "StubReporter",
    "StubRunner",
    "StubTarget",
    "make_dataset",
    "run_stubs",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'orchestra_core.testing' has no attribute '{name}'")
    return getattr(import_module(f"orchestra_core.testing.{_HOME_OF[name]}"), name)


def __dir__() -> list[str]:
    return __all__
