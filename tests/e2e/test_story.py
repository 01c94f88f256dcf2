"""The main story on real data: fiqa-mini, the embedded engine, the script as a process."""

import csv
import gzip
import json
from itertools import pairwise

import pytest

ARTIFACTS = {
    "winners.json", "winners.md", "report.html", "ab_diff.csv", "failTopN.csv",
    "pareto.png", "ab_diff.png",
}  # fmt: skip
METRICS = {
    "recall@10", "ndcg@10", "mrr@10", "p50_ms", "p95_ms", "cost_per_query", "count", "failures",
    "judged@10",
}  # fmt: skip
ORDER = [
    "RUN_STARTED", "GUARD_RULING", "HEALTH_OK",
    "SMOKE_STARTED", "UNIT_DONE", "JOB_DONE", "REFLECTION_DECISION", "SMOKE_DONE",
    "GRID_STARTED", "GRID_RUNG_STARTED", "GRID_RUNG_DONE", "GRID_DONE",
    "AB_STARTED", "VERDICT", "AB_DONE", "SELECT_STARTED", "SELECT_DONE",
    "PUBLISH_STARTED", "PUBLISH_DONE", "RUN_COMPLETED", "ARTIFACT_WRITTEN",
]  # fmt: skip
WINNER = "fiqa_para-k10-a0p5-mmroff-ef64"


@pytest.fixture(scope="module")
def told(module_script, module_story):
    """What the run printed; all tests of this module look at this one run and its twin."""
    result = module_script("run", "--plugins", "fiqa")
    assert result.code == 0, result.text
    return result


@pytest.fixture(scope="module")
def run_id(module_script, told):
    (journal,) = module_script.journals()
    return journal.stem


@pytest.fixture
def winners(module_script, run_id):
    path = module_script.home / "reports" / run_id / "winners.json"
    return json.loads(path.read_text(encoding="utf-8"))


def test_it_wins_and_says_so(told, run_id):
    assert f"story · {run_id} · completed" in told.out
    assert "Verdict: WIN: recall@10 +" in told.out
    assert f"Published: {WINNER}" in told.out
    rows = [line.split()[0] for line in told.out.splitlines() if line.strip()]
    assert {"recall@10", "ndcg@10", "mrr@10", "p50_ms", "p95_ms", "cost_per_query"} <= set(rows)


def test_it_can_be_computed_again_to_the_last_digit(module_script, told, run_id):
    result = module_script("verify", run_id)
    assert result.code == 0, result.text
    assert "Everything agrees." in result.out


def test_what_is_piped_is_lines_without_control_codes(told):
    assert "\x1b" not in told.text
    assert "\r" not in told.text
    assert all(line[2] == line[5] == ":" for line in told.err.splitlines())
    for part in ("smoke · ", "grid · rung 1: ", "best recall@10", "ab · win: ", "published"):
        assert part in told.err


def test_the_artifacts_have_their_names_and_are_all_told(module_script, told, run_id):
    folder = module_script.home / "reports" / run_id
    assert {path.name for path in folder.iterdir()} == ARTIFACTS
    assert all(f"  reports/{run_id}/{name}\n" in told.out for name in ARTIFACTS)
    for name in ("pareto.png", "ab_diff.png"):
        assert (folder / name).read_bytes().startswith(b"\x89PNG\r\n")
    assert WINNER in (folder / "winners.md").read_text(encoding="utf-8")
    assert module_script.half_written() == []


def test_winners_json(winners, run_id):
    assert list(winners) == [
        "run_id", "generated_at", "dataset", "fingerprints", "winner", "ab", "front", "grid_decision"
    ]  # fmt: skip
    assert (winners["run_id"], winners["dataset"]) == (run_id, "fiqa-mini")
    assert winners["winner"]["config_id"] == WINNER
    assert winners["winner"]["parameters"]["alpha"] == 0.5
    assert set(winners["winner"]["metrics"]) >= METRICS
    assert set(winners["ab"]) >= {"verdict", "diff_table", "baseline", "challenger", "test"}
    assert winners["ab"]["verdict"] == "win"
    assert winners["fingerprints"]["corpus_sha256"]


def test_ab_diff_csv(module_script, run_id, winners):
    path = module_script.home / "reports" / run_id / "ab_diff.csv"
    rows = list(csv.DictReader(path.read_text(encoding="utf-8").splitlines()))
    assert list(rows[0]) == [
        "metric",
        "baseline",
        "challenger",
        "delta",
        "ci_low",
        "ci_high",
        "p_value",
    ]
    recall = next(row for row in rows if row["metric"] == "recall@10")
    assert float(recall["ci_low"]) > 0
    assert float(recall["delta"]) == pytest.approx(
        float(recall["challenger"]) - float(recall["baseline"])
    )
    assert [row["metric"] for row in rows] == [row["metric"] for row in winners["ab"]["diff_table"]]


def test_fail_top_n_csv(module_script, run_id):
    path = module_script.home / "reports" / run_id / "failTopN.csv"
    assert path.read_text(encoding="utf-8").splitlines()[0] == "reason,count"


def test_every_job_has_its_folder(module_script, run_id):
    jobs = [e["payload"] for e in module_script.events(run_id) if e["event_type"] == "JOB_DONE"]
    assert {job["stage"] for job in jobs} == {"smoke", "grid", "ab"}
    for job in jobs:
        folder = module_script.home / ".runs" / job["job_id"]
        assert {path.name for path in folder.iterdir()} >= {
            "metrics.json", "queries.jsonl", "run.trec.gz"
        }  # fmt: skip
        metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        assert set(metrics) >= {
            "job_id", "run_id", "stage", "status", "config", "metrics", "latency_breakdown_ms", "error"
        }  # fmt: skip
        assert set(metrics["metrics"]) >= METRICS
        queries = (folder / "queries.jsonl").read_text(encoding="utf-8").splitlines()
        assert len(queries) == metrics["metrics"]["count"]
        trec = gzip.decompress((folder / "run.trec.gz").read_bytes()).decode().splitlines()
        assert all(len(line.split()) == 6 and line.split()[1] == "Q0" for line in trec)


def test_the_journal_is_whole_and_tells_the_story_in_order(module_script, run_id):
    events = module_script.events(run_id)
    assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
    assert {event["run_id"] for event in events} == {run_id}
    assert all(a["created_at"] <= b["created_at"] for a, b in pairwise(events))
    kinds = [event["event_type"] for event in events]
    first = [kinds.index(kind) for kind in ORDER]
    assert first == sorted(first), [kinds[i] for i in first]
    assert kinds.count("RUN_STARTED") == kinds.count("RUN_COMPLETED") == 1
    assert kinds.count("GRID_RUNG_STARTED") == kinds.count("GRID_RUNG_DONE") >= 2
    assert kinds.count("ARTIFACT_WRITTEN") == len(ARTIFACTS)
    assert not {kind for kind in kinds if kind.endswith("_FAILED") or kind == "PLUGIN_ERROR"}


def test_tuning_and_confirmation_never_meet(module_script, run_id):
    plan = module_script.events(run_id)[0]["payload"]["plan"]
    asked = {"grid": set(), "ab": set()}
    for stage in asked:
        for path in (module_script.home / ".runs").glob(f"{run_id}-{stage}-*/queries.jsonl"):
            lines = path.read_text(encoding="utf-8").splitlines()
            asked[stage] |= {json.loads(line)["query_id"] for line in lines}
    assert asked["grid"]
    assert asked["grid"] <= set(plan["tuning"])
    assert asked["ab"]
    assert asked["ab"] <= set(plan["confirmation"])
    assert asked["grid"].isdisjoint(asked["ab"])


def test_the_other_commands_know_the_run(module_script, run_id):
    status = module_script("status", run_id, "--json").json
    assert (status["status"], status["winner"]["config_id"]) == ("completed", WINNER)
    (entry,) = [e for e in module_script("list", "--json").json if e["run_id"] == run_id]
    assert (entry["verdict"], entry["winner"], entry["published"]) == ("win", WINNER, True)
    lines = module_script("events", run_id, "--json").out.splitlines()
    assert len(lines) == len(module_script.events(run_id))
    index = module_script.home / "reports" / "memory"
    assert json.loads((index / f"{run_id}.json").read_text(encoding="utf-8"))["verdict"] == "win"


def test_the_report_is_made_again_byte_for_byte(module_script, run_id):
    folder = module_script.home / "reports" / run_id
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    for path in folder.iterdir():
        path.unlink()
    result = module_script("report", run_id)
    assert result.code == 0, result.text
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


def test_a_second_run_finds_the_same_winner(module_script, run_id, winners):
    again = module_script("run", "--plugins", "fiqa", "--json", "--again")
    assert again.code == 0, again.text
    assert again.json["run_id"] != run_id
    assert again.json["plan_hash"] == winners["fingerprints"]["plan_hash"]
    assert again.json["winner"]["config_id"] == WINNER
    assert _quality(again.json["verdict"]["diff_table"]) == _quality(winners["ab"]["diff_table"])
    history = json.loads((module_script.home / "reports" / "winners.final.json").read_bytes())
    assert [record["run_id"] for record in history] == [run_id, again.json["run_id"]]
    assert all(
        set(record) == {"run_id", "timestamp", "winner", "ab_diff", "grid_decision", "hash"}
        for record in history
    )


def _quality(table):
    """What must not differ from run to run: everything but time and money."""
    return [row for row in table if row["metric"] in {"recall@10", "ndcg@10", "mrr@10"}]
