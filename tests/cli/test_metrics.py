"""`orchestra metrics`: figures of job folders, alone and together, and failTopN.csv."""

import json

import pytest


def job(folder, name, *, status="ok", recall=0.5, p95=20.0, cost=0.01, count=4, lines=None, **more):
    """A job's folder as a run, or a program, leaves it."""
    place = folder / ".runs" / name
    place.mkdir(parents=True)
    metrics = {
        "recall@10": recall,
        "p95_ms": p95,
        "cost_per_query": cost,
        "count": count,
        "failures": 0,
    }
    (place / "metrics.json").write_text(json.dumps({"status": status, "metrics": metrics, **more}))
    if lines is not None:
        (place / "queries.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    return place


def line(query, latency=None, reason=None, probes=()):
    failure = {"reason": reason, "message": "…"} if reason else None
    return {"query_id": query, "latency_ms": latency, "failure": failure, "probes": list(probes)}


def test_jobs_of_a_run(orchestra, finished):
    home, run_id = finished
    (folder,) = (home / ".runs").glob(f"{run_id}-ab-q0p9")
    shown = orchestra("metrics", str(folder))
    assert shown.code == 0
    told = json.loads((folder / "metrics.json").read_text())["metrics"]
    assert f"{told['recall@10']:.4f}" in shown.out
    assert folder.name in shown.out
    assert (home / "reports" / "failTopN.csv").read_text() == "reason,count\n"
    (only,) = orchestra("metrics", str(folder), "--json").json["jobs"]
    assert {name: only[name] for name in ("recall@10", "p95_ms", "cost_per_query")} == {
        name: told[name] for name in ("recall@10", "p95_ms", "cost_per_query")
    }
    assert (only["count"], only["failures"]) == (told["count"], told["failures"])


def test_a_folder_of_jobs_is_all_of_them(orchestra, finished):
    home, _ = finished
    shown = orchestra("metrics", str(home / ".runs"), "--json").json
    assert len(shown["jobs"]) == len(list((home / ".runs").glob("*/metrics.json")))
    assert shown["all"]["count"] == sum(one["count"] for one in shown["jobs"])


def test_together_is_weighted_by_queries_and_pools_latencies(orchestra, folder):
    slow = [line(f"q{i}", 100.0) for i in range(2)]
    quick = [line(f"q{i}", probes=[{"latency_ms": 10.0, "failure": None}]) for i in range(18)]
    job(folder, "a", recall=0.0, cost=0.02, count=2, lines=slow)
    job(folder, "b", recall=1.0, cost=0.01, count=18, lines=quick)
    together = orchestra("metrics", ".runs/a", ".runs/b", "--json").json["all"]
    assert together["recall@10"] == pytest.approx(0.9)
    assert together["cost_per_query"] == pytest.approx(0.011)
    assert together["p95_ms"] == pytest.approx(100.0)


def test_one_job_taken_alone_says_what_the_job_says(orchestra, folder):
    job(folder, "a", p95=1.13, lines=[line(f"q{i}", 0.93) for i in range(4)])
    shown = orchestra("metrics", ".runs", "--json").json
    assert (shown["jobs"][0]["p95_ms"], shown["all"]["p95_ms"]) == (1.13, 1.13)


def test_a_percentile_is_not_made_up_of_percentiles(orchestra, folder):
    job(folder, "a", aggregate_only=True)
    job(folder, "b")
    shown = orchestra("metrics", ".runs", "--json").json
    assert [one["p95_ms"] for one in shown["jobs"]] == [20.0, 20.0]
    assert shown["all"]["p95_ms"] is None
    assert "aggregate only" in orchestra("metrics", ".runs").out


def test_failed_jobs_are_shown_and_not_averaged(orchestra, folder):
    job(folder, "a", recall=0.6)
    job(folder, "b", status="failed", recall=0.0, failures_by_reason={"timeout": 4})
    shown = orchestra("metrics", ".runs", "--json").json
    assert (shown["all"]["recall@10"], shown["all"]["status"]) == (0.6, "1 failed")
    assert (folder / "reports" / "failTopN.csv").read_text() == "reason,count\ntimeout,4\n"


def test_reasons_come_from_queries_and_probes(orchestra, folder):
    failed = {"latency_ms": 0.0, "failure": {"reason": "=cmd()", "message": ""}}
    lines = [
        line("q1", reason="timeout"),
        line("q2", reason="timeout"),
        line("q3", reason="=cmd()"),
        line("q4", 5.0, probes=[failed]),
    ]
    job(folder, "a", lines=lines)
    out = folder / "why.csv"
    assert orchestra("metrics", ".runs/a", "--out", str(out)).code == 0
    assert out.read_text() == "reason,count\ntimeout,2\n'=cmd(),1\ntimed request: =cmd(),1\n"
    orchestra("metrics", ".runs/a", "--out", str(out), "--top", "1")
    assert out.read_text() == "reason,count\ntimeout,2\n"


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        "{}",
        '{"status": "ok", "metrics": {"count": NaN}}',
        '{"status":"ok","metrics":{"count":-1}}',
    ],
)
def test_damage_is_told(orchestra, folder, content):
    (folder / "job").mkdir()
    (folder / "job" / "metrics.json").write_text(content)
    shown = orchestra("metrics", "job")
    assert shown.code == 3
    assert "metrics.json" in shown.err
    assert not (folder / "reports").exists()


def test_a_folder_without_jobs_is_refused(orchestra, folder):
    (folder / "empty").mkdir()
    shown = orchestra("metrics", "empty")
    assert shown.code == 2
    assert ".runs" in shown.err
    assert orchestra("metrics").code == 2
    assert orchestra("metrics", "missing").code == 2
