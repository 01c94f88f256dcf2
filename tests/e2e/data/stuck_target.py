"""A plugin for these tests: a runner that answers the smoke test and then never comes back."""

import threading
from dataclasses import dataclass

from orchestra_core import hookimpl
from orchestra_core.testing.stubs import EXPERIMENT, OpenStub, StubDatasets, StubRunner

SMOKE = EXPERIMENT["stages"]["smoke"]["sample"]


class StuckTarget(OpenStub):
    def evaluate(self, configurations, queries):
        if len(queries) > SMOKE:
            threading.Event().wait()
        return super().evaluate(configurations, queries)


@dataclass
class StuckRunner(StubRunner):
    @hookimpl
    def orchestra_runner(self, request):
        return StuckTarget(self.target, request.dataset, self.calls)


RUNNER = StuckRunner()
orchestra_describe_runner = RUNNER.orchestra_describe_runner
orchestra_runner = RUNNER.orchestra_runner
orchestra_datasets = StubDatasets().orchestra_datasets
