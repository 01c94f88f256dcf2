"""The reporter keeps its side of the contract, and says what happened."""

import pytest
from orchestra_wordcount import plugin as wordcount
from orchestra_wordcount.summary import render

from orchestra_core.testing import SAMPLES, ReporterConformance


class TestSummary(ReporterConformance):
    @pytest.fixture
    def plugin(self):
        return wordcount


def test_a_win_names_the_winner():
    report = SAMPLES["win"]()
    assert f"winner: {report.winner.config_id}\npublished: yes\n" in render(report)


def test_a_failed_run_tells_the_error_on_one_line():
    (told,) = [line for line in render(SAMPLES["failed"]()).splitlines() if line.startswith("error: ")]
    assert "503" in told
