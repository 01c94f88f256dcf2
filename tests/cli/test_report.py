"""`orchestra report`: the artifacts again, from the journal alone."""

import shutil
from hashlib import sha256


def files(folder):
    return {path.name: sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_deleted_artifacts_come_back_byte_for_byte(orchestra, finished):
    home, run_id = finished
    folder = home / "reports" / run_id
    before = files(folder)
    assert {
        "winners.json",
        "winners.md",
        "pareto.png",
        "ab_diff.png",
        "report.html",
        "ab_diff.csv",
        "failTopN.csv",
    } <= set(before)
    shutil.rmtree(folder)
    result = orchestra("report", run_id, "--json")
    assert result.code == 0, result.text
    assert set(result.json) == {"run_id", "status", "artifacts"}
    assert {path.rpartition("/")[2] for path in result.json["artifacts"]} == set(before)
    assert files(folder) == before


def test_people_see_the_paths(orchestra, finished):
    home, run_id = finished
    lines = orchestra("report", "latest").out.splitlines()
    assert lines[0] == f"{run_id}: completed, {len(lines) - 1} artifacts written"
    assert all((home / line.strip()).is_file() for line in lines[1:])


def test_the_jobs_are_not_needed(orchestra, finished):
    home, run_id = finished
    before = files(home / "reports" / run_id)
    shutil.rmtree(home / ".runs")
    shutil.rmtree(home / "reports" / "memory")
    assert orchestra("report", run_id).code == 0
    assert files(home / "reports" / run_id) == before


def test_a_reporter_more_can_tell_an_old_run(orchestra, finished, write_plugin):
    source = """
from orchestra_core import hookimpl
@hookimpl
def orchestra_report(request):
    request.artifacts.write_text("late.txt", request.report.winner.config_id)
"""
    write_plugin("late_reporter", source)
    home, run_id = finished
    result = orchestra("report", run_id, "--plugins", "late_reporter")
    assert result.code == 0
    assert f"  reports/{run_id}/late.txt" in result.out
    assert (home / "reports" / run_id / "late.txt").read_text(encoding="utf-8").startswith("q")


def test_a_reporter_that_fails_is_named(orchestra, finished, write_plugin):
    source = """
from orchestra_core import hookimpl
@hookimpl
def orchestra_report(request):
    raise OSError("boom")
"""
    write_plugin("bad_reporter", source)
    result = orchestra("report", finished[1], "--plugins", "bad_reporter")
    assert result.code == 2
    assert (
        "plugin 'bad_reporter' (bad_reporter) failed in orchestra_report: OSError: boom" in result.err
    )


def test_a_place_that_cannot_be_written(orchestra, finished):
    home, run_id = finished
    shutil.rmtree(home / "reports" / run_id)
    (home / "reports" / run_id).write_text("in the way", encoding="utf-8")
    result = orchestra("report", run_id)
    assert result.code == 3, result.text
    assert "cannot write" in result.err
    assert (home / "reports" / run_id).read_text(encoding="utf-8") == "in the way"
