"""The reporters do what the engine takes for granted of every reporter."""

import pytest
from orchestra_reporters import plugin as reporters

from orchestra_core.testing import ReporterConformance


class TestConformance(ReporterConformance):
    @pytest.fixture
    def plugin(self) -> object:
        return reporters
