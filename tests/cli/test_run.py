"""`orchestra run`: what it prints, how it ends, and who decides what happens."""

import re

import pytest

STUB = ("--plugins", "stub_target", "--plugins", "no:reporters")
KEYS = {
    "run_id", "name", "status", "started_at", "ended_at", "dataset", "plan_hash", "verdict", "winner",
    "published", "not_published_because", "evaluations", "evaluations_full", "requests", "cost_usd",
    "failures", "warnings", "error", "exit_code", "artifacts",
}  # fmt: skip


def test_json_has_the_outcome_and_nothing_else_on_stdout(orchestra):
    result = orchestra("run", "--json", *STUB)
    outcome = result.json
    assert set(outcome) >= KEYS
    assert outcome["status"] == "completed"
    assert outcome["verdict"]["kind"] == "win"
    assert outcome["published"] is True
    assert outcome["exit_code"] == result.code == 0
    assert result.err == ""


def test_the_end_tells_verdict_table_and_paths(orchestra, folder):
    result = orchestra("run", "--plugins", "stub_target")
    lines = result.out.splitlines()
    assert any(line.startswith("Verdict: WIN: recall@10 +") for line in lines)
    header = next(line for line in lines if line.split()[:3] == ["metric", "baseline", "challenger"])
    assert header.split() == ["metric", "baseline", "challenger", "difference", "interval", "p"]
    assert any(line.split()[:1] == ["recall@10"] for line in lines)
    assert any(line.split()[:1] == ["p95_ms"] for line in lines)
    told = [line.strip() for line in lines if line.startswith("  reports/")]
    assert "reports/winners.final.json" in told
    assert {path.rpartition("/")[2] for path in told} >= {"winners.json", "winners.md", "pareto.png"}
    assert all((folder / path).is_file() for path in told)


def test_short_lists_under_a_deep_objective_are_said(orchestra, folder):
    deep = (
        "--set",
        "objective.maximize=recall@100",
        "--set",
        "space={quality: [0.3, 0.9], top_k: [10]}",
    )
    told = "recall@100 looks at 100 documents, but 3 configurations give fewer"
    result = orchestra("run", "--plugins", "stub_target", *deep, "--set", "baseline={top_k: 10}")
    assert f"Note: {told}" in result.out
    (page,) = folder.glob("reports/*/winners.md")
    assert told in page.read_text()


def test_piped_progress_is_line_based_and_goes_to_stderr(orchestra):
    result = orchestra("run", *STUB)
    assert "\x1b" not in result.text
    assert "\r" not in result.text
    for part in (
        "smoke · ",
        "grid · rung 1: 3 configurations x ",
        "best recall@10",
        "ab · win:",
        "published",
    ):
        assert part in result.err
        assert part == "published" or part not in result.out


def test_quiet_prints_the_result_only(orchestra):
    result = orchestra("run", "--quiet", *STUB)
    assert result.err == ""
    assert "Verdict: WIN" in result.out


@pytest.mark.parametrize(
    ("assignments", "code", "told"),
    [
        ((), 0, "WIN"),
        (("space.quality=[0.3]",), 0, "NO DIFFERENCE"),
        (("space.quality=[0.34]",), 4, "INCONCLUSIVE"),
        (("limits.requests=50",), 1, "denied by core.limits_guard (requests)"),
        (("objective.subject_to={p95_ms: 0.1}",), 1, "p95_ms is"),
    ],
)
def test_exit_codes_follow_the_verdict(assignments, code, told, orchestra):
    sets = [word for value in assignments for word in ("--set", value)]
    result = orchestra("run", *STUB, *sets)
    assert result.code == code, result.text
    assert told in result.text
    assert "Traceback" not in result.text


@pytest.mark.parametrize("sample", [10, 40])
def test_an_early_look_is_not_called_certain(sample, orchestra):
    result = orchestra("run", *STUB, "--set", f"stages.ab.sample={sample}")
    share = re.search(r"; (\S+) intervals", result.out)
    assert share is not None
    assert re.fullmatch(r">99\.9%|\d\d(\.\d)?%", share[1])


def test_an_unhealthy_target_is_an_infrastructure_error(orchestra, monkeypatch):
    import stub_target

    monkeypatch.setattr(stub_target.RUNNER.target, "healthy", False)
    result = orchestra("run", *STUB)
    assert result.code == 3
    assert "Error: the health check failed: the stub is unwell" in result.err
    assert "Hint: Make it healthy." in result.err


def test_a_target_that_knows_none_of_our_documents_is_told_apart(orchestra, monkeypatch):
    import stub_target

    monkeypatch.setattr(stub_target.RUNNER.target, "foreign_ids", True)
    result = orchestra("run", *STUB)
    assert result.code == 3
    assert "foreign-d" in result.err
    assert "d0000" in result.err
    assert "Hint:" in result.err


def test_a_runner_that_raises_is_reported_without_a_traceback(orchestra, monkeypatch):
    import stub_target

    monkeypatch.setattr(stub_target.RUNNER.target, "raises", ValueError("no such index"))
    result = orchestra("run", *STUB)
    assert result.code == 3
    assert "no such index" in result.text
    assert "Traceback" not in result.text


def test_home_can_be_named_three_ways(orchestra, folder, monkeypatch):
    assert orchestra("run", "-q", *STUB, "--home", "one").code == 0
    monkeypatch.setenv("ORCHESTRA_HOME", str(folder / "two"))
    assert orchestra("run", "-q", *STUB).code == 0
    monkeypatch.delenv("ORCHESTRA_HOME")
    assert orchestra("run", "-q", *STUB).code == 0
    for home in (folder / "one", folder / "two", folder):
        assert (home / "reports" / "winners.final.json").is_file()
        assert len(list((home / "reports" / "events").iterdir())) == 1


def test_folders_follow_the_experiment(orchestra, folder):
    moved = ("--set", "paths.reports_dir=out/told", "--set", "paths.runs_dir=out/jobs")
    assert orchestra("run", "-q", *STUB, *moved).code == 0
    assert [path.name for path in folder.iterdir()] == ["out"]
    assert (folder / "out" / "told" / "winners.final.json").is_file()
    assert list((folder / "out" / "jobs").iterdir())
