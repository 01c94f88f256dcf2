"""An index that changes during a run: the jobs say so, and nothing is published."""

import pytest

from orchestra_core import hookimpl
from orchestra_core.artifacts import Home
from orchestra_core.history import read_history


class Swaps:
    """Another index under the target, from one event on."""

    def __init__(self, target, event_type, index="2"):
        self.target, self.event_type, self.index = target, event_type, index

    @hookimpl
    def orchestra_event(self, event):
        if event.event_type == self.event_type:
            self.target.index = self.index


@pytest.mark.parametrize(
    ("event_type", "affected"),
    [
        ("SMOKE_STARTED", {"smoke", "grid", "ab"}),
        ("GRID_STARTED", {"grid", "ab"}),
        ("AB_STARTED", {"ab"}),
        ("SELECT_STARTED", set()),
    ],
)
def test_the_jobs_from_then_on_are_marked(run_orchestra, stub_runner, event_type, affected):
    run = run_orchestra(Swaps(stub_runner.target, event_type))
    assert {job.stage for job in run.report.jobs if not job.comparable} == affected
    assert run.report.verdict.kind == "win"
    assert run.report.published is not bool(affected)


def test_the_report_says_what_differs_and_nothing_is_published(run_orchestra, stub_runner):
    run = run_orchestra(Swaps(stub_runner.target, "GRID_STARTED"))
    (warning,) = [w for w in run.report.warnings if "index" in w]
    assert warning.startswith("the index changed during the run (index 'stub': ")
    assert run.report.not_published_because == f"{warning}, so nothing can be compared"
    assert run.outcome.exit_code == 3
    assert read_history(Home(run.home)) == []
    assert run.report.verdict.kind == "win"


MUTE = None
"""Not a text: the fingerprint cannot be made."""


def test_a_runner_that_cannot_say_what_it_measures_is_not_trusted(run_orchestra, stub_runner):
    run = run_orchestra(Swaps(stub_runner.target, "AB_STARTED", MUTE))
    assert (run.report.status, run.outcome.exit_code) == ("failed", 3)
    assert "could not say what it measures" in run.report.error["msg"]
    assert f"orchestra resume {run.run_id}" in run.report.error["hint"]
    assert {job.stage for job in run.report.jobs if job.comparable is None} == {"ab"}
    (warning,) = [w for w in run.report.warnings if "index" in w]
    assert warning.startswith("whether the index changed during the run is not known")
    assert read_history(Home(run.home)) == []


@pytest.mark.parametrize("again", ["GRID_STARTED", "SELECT_STARTED"])
def test_one_that_could_not_say_and_now_can_is_believed(run_orchestra, stub_runner, again):
    """Before the next stage's end, or just before the winner is published."""
    target = stub_runner.target
    mute = "SMOKE_STARTED" if again == "GRID_STARTED" else "AB_STARTED"
    run = run_orchestra(("mutes", Swaps(target, mute, MUTE)), ("speaks", Swaps(target, again, "1")))
    assert run.report.published
    assert [w for w in run.report.warnings if "index" in w] == []
    run = run_orchestra(("mutes", Swaps(target, mute, MUTE)), ("speaks", Swaps(target, again, "2")))
    assert not run.report.published
    assert "the index changed during the run" in run.report.not_published_because


def test_the_fingerprint_covers_what_decides_the_figures(run_orchestra):
    def fingerprint(**keys):
        return run_orchestra(experiment=keys).report.fingerprint

    first = fingerprint()
    assert first["documents"] == 200
    assert set(first["indexes"]) == {"stub"}
    assert set(first["dataset"]) == {"name", "corpus", "queries", "qrels"}
    assert {"stub_runner", "stub_data"} <= set(first["plugins"])
    assert fingerprint() == first
    other = fingerprint(seed=7)
    assert {key for key in first if first[key] != other[key]} == {"experiment_sha256", "plan_hash"}
