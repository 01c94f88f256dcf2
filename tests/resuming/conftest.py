"""Runs that are cut short, and gone on with."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from orchestra_reflection_rules import plugin as reflection_rules

from orchestra_core.journal.log import JournalReader
from orchestra_core.outcome import Outcome
from orchestra_core.resuming import fork_experiment, resume_experiment
from orchestra_core.testing import StubReporter, StubRunner
from orchestra_core.testing.running import FinishedExperiment, run_stubs, stub_session

RULES = ("reflection_rules", reflection_rules)
UNTOLD = {"ended_at", "started_at", "run_id", "plugins", "events"}  # a doomed runner is another class
SMALL = {
    "stages": {
        "smoke": {"sample": 4},
        "grid": {"sample": 24, "budget": 1.0, "probe": 2},
        "ab": {"sample": 40},
    }
}


@dataclass
class Doomed(StubRunner):
    """A runner that ends the process's turn at its `at`-th call, in the way of `how`."""

    at: int = 0
    how: BaseException = field(default_factory=KeyboardInterrupt)

    def orchestra_runner(self, request: Any) -> Any:
        opened = super().orchestra_runner(request)
        evaluate, probe = opened.evaluate, opened.probe

        def counted(call: Callable[..., Any]) -> Callable[..., Any]:
            def asked(*words: Any) -> Any:
                if len(self.calls) + 1 == self.at:
                    self.at = 0
                    raise self.how
                return call(*words)

            return asked

        opened.evaluate, opened.probe = counted(evaluate), counted(probe)
        return opened

    orchestra_runner.orchestra_impl = StubRunner.orchestra_runner.orchestra_impl  # type: ignore[attr-defined]


@dataclass(frozen=True)
class Lab:
    """A home folder, in which runs are made, cut short and gone on with."""

    home: Path
    experiment: dict[str, Any] = field(default_factory=lambda: SMALL)

    def run(self, runner: StubRunner | None = None, *plugins: object) -> FinishedExperiment:
        return run_stubs(
            self.home, StubReporter(), RULES, *plugins, runner=runner, experiment=self.experiment
        )

    def resume(
        self, run_id: str, runner: StubRunner | None = None, *plugins: object, **more: Any
    ) -> tuple[Outcome, StubRunner]:
        chosen = runner or StubRunner()
        session = self.session(chosen, *plugins)
        return resume_experiment(session, run_id, **more), chosen

    def fork(self, run_id: str, runner: StubRunner | None = None) -> tuple[Outcome, StubRunner]:
        chosen = runner or StubRunner()
        return fork_experiment(self.session(chosen), run_id), chosen

    def session(self, runner: StubRunner, *plugins: object) -> Any:
        return stub_session(
            self.home, StubReporter(), RULES, *plugins, runner=runner, experiment=self.experiment
        )

    @staticmethod
    def runner() -> StubRunner:
        return StubRunner()

    def events(self, run_id: str) -> list[Any]:
        return list(JournalReader(self.journal(run_id)))

    def journal(self, run_id: str) -> Path:
        return self.home / "reports" / "events" / f"{run_id}.jsonl"

    def copy(self, home: Path) -> Lab:
        shutil.rmtree(home, ignore_errors=True)
        shutil.copytree(self.home, home)
        return Lab(home, self.experiment)


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path / "home")


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> FinishedExperiment:
    """The run that every other must come to."""
    return Lab(tmp_path_factory.mktemp("undisturbed") / "home").run()


@pytest.fixture
def told() -> Callable[[Outcome], dict[str, Any]]:
    return _told


def _told(outcome: Outcome) -> dict[str, Any]:
    """Everything a run found; not when, nor under what name."""
    content = outcome.report.model_dump(mode="json", exclude=UNTOLD)
    for job in content["jobs"]:
        for key in ("job_id", "path", "files"):
            job.pop(key)
    return {**content, "exit_code": outcome.exit_code}


@pytest.fixture
def doomed() -> type[Doomed]:
    return Doomed
