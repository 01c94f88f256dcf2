"""Fixtures for plugin authors; pytest loads this module wherever orchestra-core is installed.

For that reason nothing but pytest is imported until a fixture is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from typing import Any

    from orchestra_core.datasets import Dataset
    from orchestra_core.plugins.manager import PluginHost
    from orchestra_core.testing.running import FinishedExperiment, RunOrchestra
    from orchestra_core.testing.stubs import StubReporter, StubRunner

pytest.register_assert_rewrite("orchestra_core.testing.conformance")


@pytest.fixture
def plugin_host() -> PluginHost:
    """A fresh host with the built-in plugins only; nothing installed is looked at."""
    from orchestra_core.plugins.manager import open_host

    return open_host(discover=False)


@pytest.fixture
def make_dataset() -> Callable[..., Dataset]:
    """The factory `make_dataset(n_queries, n_docs)`."""
    from orchestra_core.testing.stubs import make_dataset as factory

    return factory


@pytest.fixture
def stub_dataset(make_dataset: Callable[..., Dataset]) -> Dataset:
    """120 queries, each with one relevant document of 200."""
    return make_dataset()


@pytest.fixture
def stub_runner() -> StubRunner:
    """A runner plugin whose target behaves as `stub_runner.target` says."""
    from orchestra_core.testing.stubs import StubRunner

    return StubRunner()


@pytest.fixture
def stub_reporter() -> StubReporter:
    """A reporter plugin that remembers the reports it saw."""
    from orchestra_core.testing.stubs import StubReporter

    return StubReporter()


@pytest.fixture
def run_orchestra(
    tmp_path: Path, stub_runner: StubRunner, monkeypatch: pytest.MonkeyPatch
) -> RunOrchestra:
    """Run an experiment in a folder of this test: `run_orchestra(plugin, experiment={…})`.

    The runner is the fixture `stub_runner` unless another is given; the home folder is
    `tmp_path / "home"`, and two runs of one test share it.
    """
    from orchestra_core.testing.running import run_stubs

    monkeypatch.setenv("ORCHESTRA_CACHE_DIR", str(tmp_path / "cache"))

    def run(
        *plugins: object,
        experiment: Mapping[str, Any] | None = None,
        runner: StubRunner | None = None,
        datasets: object | None = None,
        home: Path | None = None,
    ) -> FinishedExperiment:
        return run_stubs(
            home or tmp_path / "home",
            *plugins,
            experiment=experiment,
            runner=runner or stub_runner,
            datasets=datasets,
        )

    return run
