"""A plugin for these tests: a runner that waits, fails or dies as files in its working folder say.

`hold-opening`, `hold-grid`: it waits while the file is there, and makes `opening` or `asked` to tell.
`down`: every query fails. `deadly`: the process dies of the first query of the grid.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path

from orchestra_core import hookimpl
from orchestra_core.errors import TargetError
from orchestra_core.testing.stubs import EXPERIMENT, OpenStub, StubDatasets, StubRunner

SMOKE = EXPERIMENT["stages"]["smoke"]["sample"]


def wait_while(name, sign):
    if Path(name).exists():
        Path(sign).touch()
    while Path(name).exists():
        time.sleep(0.01)


class PatientTarget(OpenStub):
    def evaluate(self, configurations, queries):
        if Path("down").exists():
            raise TargetError("the target is down")
        if len(queries) > SMOKE:
            wait_while("hold-grid", "asked")
            if Path("deadly").exists():
                os._exit(9)
        return super().evaluate(configurations, queries)


@dataclass
class PatientRunner(StubRunner):
    @hookimpl
    def orchestra_runner(self, request):
        request.emit("RETRY", {"url": "http://localhost/ready", "attempt": 1})
        wait_while("hold-opening", "opening")
        return PatientTarget(self.target, request.dataset, self.calls)


RUNNER = PatientRunner()
orchestra_describe_runner = RUNNER.orchestra_describe_runner
orchestra_runner = RUNNER.orchestra_runner
orchestra_datasets = StubDatasets().orchestra_datasets
