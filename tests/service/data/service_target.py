"""A plugin for these tests: a runner whose quality is known, as slow as SERVICE_STUB_SECONDS says.

While the file SERVICE_STUB_HOLD/starting exists no worker gets to its journal, and while
SERVICE_STUB_HOLD/asking does no unit ends, with `probing` none that measures times (the grid has the
first): so tests need no clock.
"""

import os
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from orchestra_core import hookimpl
from orchestra_core.datasets import DatasetSource
from orchestra_core.errors import DatasetUnavailable
from orchestra_core.runner import Parameter
from orchestra_core.testing.stubs import EXPERIMENT, PARAMETERS, OpenStub, StubDatasets, StubRunner

SECONDS = float(os.environ.get("SERVICE_STUB_SECONDS", "0"))
COLLECTION = Parameter("collection", "Which collection", "choice", short="-", default="stub_para")
COLLECTIONS = {
    "stub_para": {"chunking": "para"},
    "fiqa_para_50k": {"dataset": "stub", "chunking": "para"},
    "absent_para": {"dataset": "absent", "chunking": "para"},
}


def hold(what):
    file = Path(os.environ.get("SERVICE_STUB_HOLD", "/nonexistent"), what)
    if file.exists():
        file.with_suffix(f".{os.getpid()}").touch()
    while file.exists():
        time.sleep(0.02)


if sys.argv[1:2] in (["run"], ["resume"]):  # not the process that makes plans
    hold("starting")


class SlowTarget(OpenStub):
    seconds = SECONDS

    def evaluate(self, configurations, queries):
        time.sleep(self.seconds)
        hold("asking")
        if os.environ.get("SERVICE_STUB_DIES"):
            os._exit(9)
        return super().evaluate(configurations, queries)

    def probe(self, configuration, queries, load):
        hold("probing")
        return super().probe(configuration, queries, load)


@dataclass(eq=False)
class SlowRunner(StubRunner):
    @hookimpl
    def orchestra_runner(self, request):
        target = SlowTarget(self.target, request.dataset, self.calls)
        if request.experiment.name == "large":  # nobody watches it
            target.seconds = 0
        return target


def unavailable(_rest):
    raise DatasetUnavailable("the data of 'absent' is not here", hint="Pull it.")


class Datasets(StubDatasets):
    @hookimpl
    def orchestra_datasets(self):
        absent = DatasetSource("absent", "Never here", open=unavailable, location=lambda: None)
        return [*super().orchestra_datasets(), absent]


RUNNER = SlowRunner(
    parameters=(COLLECTION, *PARAMETERS), defaults={**EXPERIMENT, "collections": COLLECTIONS}
)
orchestra_describe_runner = RUNNER.orchestra_describe_runner
orchestra_runner = RUNNER.orchestra_runner
orchestra_datasets = Datasets().orchestra_datasets
