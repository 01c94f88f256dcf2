"""The runner keeps its side of the contract: inherited from the core."""

import pytest
from orchestra_wordcount import plugin as wordcount

from orchestra_core.testing import RunnerConformance, StubDatasets


class TestWordcountRunner(RunnerConformance):
    @pytest.fixture
    def plugin(self):
        return wordcount

    @pytest.fixture
    def other_plugins(self):
        return [("stub_data", StubDatasets())]

    @pytest.fixture
    def experiment(self):
        return {
            "dataset": "stub",
            "stages": {"smoke": {"sample": 5}, "grid": {"sample": 20}, "ab": {"sample": 40}},
        }
