"""The backend `command`: a real script in real processes, believed as far as it holds together."""

from __future__ import annotations

import gzip
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from time import monotonic, sleep

import psutil
import pytest
from orchestra_fiqa_runner.command.process import HIDDEN, TAIL
from orchestra_fiqa_runner.command.results import read_result
from orchestra_fiqa_runner.settings import CommandSettings, FiqaSettings
from pydantic import ValidationError

from orchestra_core.errors import AddressRefused, ExperimentError, RunnerTimeout, TargetError
from orchestra_core.observation import Query
from orchestra_core.runner import Load

SCRIPT = Path(__file__).parent / "data" / "script.py"
ORCHESTRA = Path(sys.executable).with_name("orchestra")


@pytest.fixture(scope="session")
def corpus_file(tmp_path_factory, fiqa):
    path = tmp_path_factory.mktemp("corpus") / "corpus.json"
    path.write_text(json.dumps(dict(fiqa.corpus)))
    return path


@pytest.fixture
def command(corpus_file):
    """`command("figures")` is a `runner_cmd`."""
    return lambda behave: (
        sys.executable,
        str(SCRIPT),
        "--corpus",
        str(corpus_file),
        "--behave",
        behave,
    )


@pytest.fixture
def opener(kit, fiqa, make, command, tmp_path):
    opened = []

    def opens(behave, settings=None, **runner):
        section = {"backend": "command", "runner_cmd": command(behave), **runner}
        one = make(collection="fiqa_para", alpha=0.5, top_k=10)
        found = kit.open(
            fiqa, [one], cache_dir=tmp_path, settings=settings or FiqaSettings(), runner=section
        )
        opened.append(found)
        return found

    yield opens
    for runner in opened:
        runner.close()


@pytest.fixture
def one(make):
    return make(collection="fiqa_para", alpha=0.5, top_k=10)


def job_folders(tmp_path):
    return sorted(path for path in tmp_path.glob("command-*/*") if path.is_dir())


def gone(pid):
    """Whether a process has ended; what nobody buried yet counts as ended."""
    for _ in range(600):
        try:
            if psutil.Process(pid).status() == psutil.STATUS_ZOMBIE:
                return True
        except psutil.NoSuchProcess:
            return True
        sleep(0.05)
    return False


def test_rankings_restore_full_statistics(opener, fiqa, one):
    queries = fiqa.judged_queries()[:6]
    seen = list(opener("rankings").evaluate([one], queries))
    assert [o.query_id for o in seen] == [q.query_id for q in queries]
    assert all(o.failure is None and len(o.ranking) == 10 and not o.reported for o in seen)
    assert {d for o in seen for d in o.ranking} <= fiqa.corpus.keys()
    lines = list(opener("lines").evaluate([one], queries))
    assert [o.ranking for o in lines] == [o.ranking for o in seen]
    assert all((o.latency_ms, o.cost) == (2.5, 0.001) for o in lines)


def test_without_rankings_only_figures_are_left(opener, fiqa, one):
    seen = list(opener("figures").evaluate([one], fiqa.judged_queries()[:6]))
    assert all(o.ranking == () and o.failure is None for o in seen)
    assert {"recall@10", "ndcg@10", "p95_ms", "cost_per_query"} == set(seen[0].reported) - {"p50_ms"}


def test_a_program_that_samples_for_itself_is_never_more_than_figures(opener, fiqa, one):
    settings = FiqaSettings(command=CommandSettings(files=False))
    seen = list(opener("rankings", settings).evaluate([one], fiqa.judged_queries()[:4]))
    assert all(o.reported["recall@10"] == 0.5 for o in seen)


def test_a_program_that_samples_for_itself_may_not_fail_at_all_of_it(opener, fiqa, one):
    settings = FiqaSettings(command=CommandSettings(files=False))
    with pytest.raises(TargetError, match="every query failed"):
        list(opener("told_all_failed", settings).evaluate([one], fiqa.judged_queries()[:2]))


def test_a_query_that_failed_is_one_failed_observation(opener, fiqa, one):
    seen = list(opener("one_failed").evaluate([one], fiqa.judged_queries()[:5]))
    assert [o.failure and o.failure.reason for o in seen] == ["http_503", None, None, None, None]


@pytest.mark.parametrize(
    ("lines", "ranked", "paid"),
    [
        ([], False, [0.25, 0.25]),
        ([{"query_id": "q1", "failure": {"reason": "x"}}], False, [0.25, 0.25]),
        ([], True, [0.25, 0.25]),
        ([{"query_id": "q1", "failure": {"reason": "x"}, "cost": 0.5}], True, [0.5, None]),
        ([{"query_id": "q1", "ranking": ["a"], "latency_ms": 2.0}], True, [None, 0.25]),
        ([{"query_id": "q1", "ranking": ["a"], "cost": 0.5}], True, [0.5, None]),
    ],
)
def test_every_amount_is_paid_once(tmp_path, lines, ranked, paid):
    """A mean is spread over the queries that are not timed: it is money, and no figure of any."""
    figures = {"recall@10": 0.5, "count": 2, "cost_per_query": 0.25}
    (tmp_path / "metrics.json").write_text(json.dumps({"status": "ok", "metrics": figures}))
    (tmp_path / "queries.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    if ranked:
        failed = {line["query_id"] for line in lines if "failure" in line}
        rows = "".join(f"{q} Q0 a 1 1 x\n" for q in ("q1", "q2") if q not in failed)
        (tmp_path / "run.trec.gz").write_bytes(gzip.compress(rows.encode()))
    result = read_result(tmp_path, "c", [Query("q1", "one"), Query("q2", "two")], "recall@10")
    assert result.aggregate_only is not ranked
    assert [one.cost for one in result.observations] == paid


def test_costs_of_lines_without_rankings_are_shared_out(tmp_path):
    told = {"status": "ok", "metrics": {"recall@10": 0.5, "count": 2}}
    (tmp_path / "metrics.json").write_text(json.dumps(told))
    (tmp_path / "queries.jsonl").write_text(json.dumps({"query_id": "own", "cost": 0.5}) + "\n")
    result = read_result(
        tmp_path, "c", [Query("q1", "one"), Query("q2", "two")], "recall@10", asked_these=False
    )
    assert [one.cost for one in result.observations] == [0.25, 0.25]


def test_probes_take_the_times_of_single_requests(opener, fiqa, one):
    queries = fiqa.judged_queries()[:4]
    samples = list(opener("lines").probe(one, queries, Load()))
    assert [(s.query_id, s.latency_ms, s.failure) for s in samples] == [
        (q.query_id, 2.5, None) for q in queries
    ]
    runner = opener("figures")
    list(runner.evaluate([one], queries))
    assert {s.failure.reason for s in runner.probe(one, queries, Load())} == {"not_timed"}
    assert list(runner.evaluate([one], [])) == []
    assert list(runner.probe(one, [], Load())) == []


LIES = {
    "silent": "did not write",
    "broken": "no JSON",
    "list": "metrics.json",
    "deep": "no JSON",
    "nan": "metrics.cost_per_query",
    "infinite": "metrics.cost_per_query",
    "not_ok": "status is 'failed': no index",
    "other_job": "of job 'another'",
    "count_0": "count is 0",
    "count_short": "count is 3",
    "count_text": "metrics.count",
    "no_count": "count is missing",
    "all_told_failed": "failures is 6",
    "all_failed": "every query failed",
    "ranked_all_failed": "every query failed",
    "some_failed": "2 lines tell of one",
    "half_failed": "failures is 0.5",
    "pipe": "run.trec.gz is no result: it is no plain file",
    "above_1": "recall@10 is 1.5",
    "below_0": "recall@10 is -0.1",
    "no_objective": "no recall@10",
    "negative_time": "p95_ms is -1",
    "bad_trec": "run.trec.gz",
    "bad_line": "line 1",
    "link": "no plain file",
}


@pytest.mark.parametrize("behave", LIES)
def test_what_does_not_hold_together_is_no_result(opener, fiqa, one, behave):
    with pytest.raises(TargetError) as caught:
        list(opener(behave).evaluate([one], fiqa.judged_queries()[:6]))
    assert LIES[behave] in str(caught.value)
    assert caught.value.hint


def test_only_declared_variables_and_the_arguments_of_the_contract_arrive(
    opener, fiqa, make, tmp_path, monkeypatch
):
    monkeypatch.setenv("TOKEN", "t0ken-value")
    monkeypatch.setenv("SECRET", "not for it")
    settings = FiqaSettings(command=CommandSettings(environment=("TOKEN", "MISSING")))
    runner = opener("environment", settings, base_url="http://127.0.0.1:8000")
    asked = make(collection="fiqa_sent", top_k=20, alpha=0.3, ef_search=32, mmr=0.5)
    list(runner.evaluate([asked], fiqa.judged_queries()[:3]))
    (folder,) = job_folders(tmp_path)
    seen = json.loads((folder / "environment").read_text())
    assert seen.pop("LC_CTYPE", "C.UTF-8") == "C.UTF-8"  # Python's own doing, at its start
    assert seen == {
        "RUNS_DIR": str(folder.parent),
        "JOB_ID": folder.name,
        "BASE": "http://127.0.0.1:8000",
        "TOKEN": "t0ken-value",
    }
    words = json.loads((folder / "arguments").read_text())[4:]
    assert words == [
        *("--base", "http://127.0.0.1:8000", "--collection", "fiqa_sent", "--sample", "3"),
        *("--top_k", "20", "--concurrency", "1", "--mmr", "--mmr-lambda", "0.5"),
        *("--alpha", "0.3", "--ef-search", "32"),
        *("--queries", str(folder / "asked.tsv"), "--qrels", str(folder / "asked.qrels")),
    ]
    assert len((folder / "asked.tsv").read_text().splitlines()) == 3


def test_no_shell_reads_the_words(opener, fiqa, one, tmp_path):
    words = ("echo", "hello; touch stolen && $(touch stolen)")
    with pytest.raises(TargetError, match="did not write"):
        list(opener("figures", runner_cmd=words).evaluate([one], fiqa.judged_queries()[:1]))
    (folder,) = job_folders(tmp_path)
    assert (folder / "stdout.log").read_text().startswith("hello; touch stolen && $(touch stolen)")
    assert not list(tmp_path.rglob("stolen"))


def test_a_timeout_ends_the_whole_group(opener, fiqa, one, tmp_path):
    began = monotonic()
    with pytest.raises(RunnerTimeout, match="process group"):
        list(opener("hang", runner_timeout_s=2.0).evaluate([one], fiqa.judged_queries()[:2]))
    assert monotonic() - began < 10
    (folder,) = job_folders(tmp_path)
    assert all(gone(int(pid)) for pid in (folder / "pids").read_text().split())


def test_what_is_left_in_the_background_is_ended_too(opener, fiqa, one, tmp_path):
    list(opener("leave_one_behind").evaluate([one], fiqa.judged_queries()[:2]))
    (folder,) = job_folders(tmp_path)
    assert gone(int((folder / "pids").read_text()))


def test_closing_ends_what_still_runs(opener, fiqa, one, tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    runner = opener("hang")
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(lambda: list(runner.evaluate([one], fiqa.judged_queries()[:2])))
        deadline = monotonic() + 20
        while not list(tmp_path.glob("command-*/*/pids")) and monotonic() < deadline:
            sleep(0.05)
        sleep(0.1)
        runner.close()
        assert isinstance(answer.exception(timeout=10), TargetError)
    (file,) = tmp_path.glob("command-*/*/pids")
    assert all(gone(int(pid)) for pid in file.read_text().split())


@pytest.mark.parametrize(
    ("verb", "signals"),
    [
        ("run", [signal.SIGKILL]),
        ("run", [signal.SIGHUP]),
        ("run", [signal.SIGINT, signal.SIGINT]),
        ("diag", [signal.SIGTERM]),
        ("load", [signal.SIGTERM]),
    ],
)
def test_nothing_outlives_orchestra(command, tmp_path, verb, signals):
    """Not even a grandchild that ignores SIGTERM, however Orchestra ends."""
    experiment = {
        "name": "scripted",
        "runner": {"plugin": "fiqa", "backend": "command", "runner_cmd": command("hang")},
        "space": {"collection": ["fiqa_para"], "alpha": [0.0, 0.5], "top_k": [10]},
        "baseline": {"collection": "fiqa_para", "alpha": 0.5, "top_k": 10},
    }
    (tmp_path / "orchestra.yaml").write_text(json.dumps(experiment))
    orchestra = subprocess.Popen(
        [ORCHESTRA, verb],
        cwd=tmp_path,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    with orchestra:
        try:
            deadline = monotonic() + 90
            while len(pids := pids_in(tmp_path)) < 2:
                assert monotonic() < deadline
                assert orchestra.poll() is None
                sleep(0.05)
            for number in signals:
                orchestra.send_signal(number)
                sleep(0.3)  # the second one comes while it waits for the first one's effect
            orchestra.wait(60)
        finally:
            orchestra.kill()
    assert all(gone(pid) for pid in pids | pids_in(tmp_path))
    if verb == "diag":
        assert not list(tmp_path.glob("orchestra-diag-*"))


def pids_in(folder):
    """Of the programs and of what they have started themselves."""
    return {int(pid) for file in folder.rglob("pids") for pid in file.read_text().split()}


@pytest.mark.parametrize("before", range(0, 12, 3))
def test_a_secret_at_the_edge_of_a_complaint_is_hidden_whole(opener, fiqa, one, monkeypatch, before):
    """What is repeated of it begins somewhere in the middle of the token."""
    monkeypatch.setenv("TOKEN", token := "t0ken-value")
    monkeypatch.setenv("LENGTH", str(TAIL - before))
    settings = FiqaSettings(command=CommandSettings(environment=("TOKEN", "LENGTH")))
    with pytest.raises(TargetError, match="exit code 7") as caught:
        list(opener("complain", settings).evaluate([one], fiqa.judged_queries()[:2]))
    said = caught.value.hint.partition("It said: ")[2]
    assert said.endswith("xxx")
    assert not any(token[start : start + 3] in said for start in range(len(token) - 2))


def test_a_failure_repeats_the_complaint_without_secrets(opener, fiqa, one, monkeypatch, tmp_path):
    monkeypatch.setenv("TOKEN", "t0ken-value")
    settings = FiqaSettings(command=CommandSettings(environment=("TOKEN",)))
    with pytest.raises(TargetError, match="exit code 7") as caught:
        list(opener("fail", settings).evaluate([one], fiqa.judged_queries()[:2]))
    assert "no such index" in caught.value.hint
    assert "t0ken-value" not in str(caught.value.as_payload())
    logs = list(tmp_path.rglob("std*.log"))
    assert logs
    assert not any("t0ken-value" in log.read_text() for log in logs)
    assert any(HIDDEN in log.read_text() for log in logs)


@pytest.mark.parametrize("names", [("A=B",), ("1A",), ("",), ("PATH", "RUNS_DIR")])
def test_names_of_variables_are_checked(names):
    with pytest.raises(ValidationError):
        CommandSettings(environment=names)


def test_a_declared_variable_that_is_not_set_is_told(opener, monkeypatch):
    monkeypatch.delenv("NO_SUCH", raising=False)
    settings = FiqaSettings(command=CommandSettings(environment=("PATH", "NO_SUCH")))
    assert opener("figures", settings).health().message.endswith("NO_SUCH is not set")


@pytest.mark.parametrize(
    ("lines", "trec", "more", "problem"),
    [
        ([{"query_id": "q1", "ranking": ["a", "b"]}], ["b", "a"], {}, "is not that of queries.jsonl"),
        ([{"query_id": "q1", "failure": {"reason": "x"}}], ["a"], {}, "which failed"),
        ([], ["a"], {"failures_by_reason": {"x": 2}}, "metrics.failures is less"),
    ],
)
def test_files_that_contradict_each_other_are_no_result(tmp_path, lines, trec, more, problem):
    figures = {"recall@10": 0.5, "count": 2}
    told = {"status": "ok", "metrics": figures, **more}
    (tmp_path / "metrics.json").write_text(json.dumps(told))
    (tmp_path / "queries.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    ranked = "".join(f"q1 Q0 {d} {rank} {9 - rank} x\n" for rank, d in enumerate(trec))
    (tmp_path / "run.trec.gz").write_bytes(gzip.compress(f"{ranked}q2 Q0 a 0 1 x\n".encode()))
    with pytest.raises(TargetError, match=problem):
        read_result(tmp_path, "c", [Query("q1", "one"), Query("q2", "two")], "recall@10")


def test_health_and_fingerprint(opener, tmp_path, corpus_file):
    runner = opener("figures")
    assert runner.health().ok
    mark = runner.fingerprint()
    assert runner.fingerprint() == mark
    copy = tmp_path / "script.py"
    copy.write_text(SCRIPT.read_text())
    words = (sys.executable, str(copy), "--corpus", str(corpus_file))
    first = opener("figures", runner_cmd=words)
    before = first.fingerprint()
    copy.write_text(SCRIPT.read_text() + "\n# changed\n")
    assert first.fingerprint().indexes != before.indexes
    missing = opener("figures", runner_cmd=("no-such-program-here",)).health()
    assert not missing.ok
    assert "runner_cmd" in missing.hint


def test_what_cannot_work_is_refused(opener, fiqa, one):
    with pytest.raises(ExperimentError) as caught:
        opener("figures", runner_cmd=())
    assert caught.value.where == "runner.runner_cmd"
    with pytest.raises(ExperimentError, match="cannot start"):
        list(opener("x", runner_cmd=(str(SCRIPT),)).evaluate([one], fiqa.judged_queries()[:1]))
    with pytest.raises(AddressRefused):
        opener("figures", base_url="http://example.org:8000")


def experiment_with(words):
    return {
        "name": "scripted",
        "runner": {"backend": "command", "runner_cmd": words},
        "space": {"collection": ["fiqa_para"], "alpha": [0.0, 0.5], "top_k": [10]},
        "baseline": {"collection": "fiqa_para", "alpha": 0.5, "top_k": 10},
        "stages": {
            "smoke": {"sample": 8},
            "grid": {"sample": 16, "budget": 1.0, "probe": 2},
            "ab": {"sample": 20},
        },
    }


@pytest.mark.parametrize(("behave", "aggregate"), [("rankings", False), ("figures", True)])
def test_a_whole_run(command, tmp_path, fiqa, behave, aggregate):
    """Rankings make a verdict; figures alone never do, and say so wherever they are shown."""
    file = tmp_path / "orchestra.yaml"
    file.write_text(json.dumps(experiment_with(command(behave))))
    ran = shell(tmp_path, "run", "--plugins", "fiqa", "-f", file)
    (journal,) = (tmp_path / "reports" / "events").glob("*.jsonl")
    events = [json.loads(line) for line in journal.read_text().splitlines()]
    verdict = next(e["payload"] for e in events if e["event_type"] == "VERDICT")
    jobs = [e["payload"] for e in events if e["event_type"] == "JOB_DONE"]
    assert {job["aggregate_only"] for job in jobs} == {aggregate}
    verified = shell(tmp_path, "verify", "latest")
    assert verified.returncode == 0, verified.stdout + verified.stderr
    told = shell(tmp_path, "metrics", ".runs", "--json")
    assert told.returncode == 0, told.stderr
    assert any(job["recall@10"] for job in json.loads(told.stdout)["jobs"])
    if not aggregate:
        assert ran.returncode in {0, 1, 4}, ran.stdout + ran.stderr
        assert verdict["diff_table"][0]["p_value"] is not None
        smoke = next(e["payload"] for e in events if e["event_type"] == "SMOKE_DONE")
        (told,) = [warning for warning in smoke["warnings"] if "claims ndcg@10 = 0.4000" in warning]
        figures = {f"{job['metrics']['ndcg@10']:.4f}" for job in jobs if job["stage"] == "smoke"}
        assert told.split("come to ")[1].split(",")[0] in figures
        return
    assert ran.returncode == 4, ran.stdout + ran.stderr
    assert verdict["kind"] == "inconclusive"
    assert "no significance is claimed" in verdict["reason"] + ran.stdout
    assert all(row["ci_low"] is row["p_value"] is None for row in verdict["diff_table"])
    rungs = [e["payload"] for e in events if e["event_type"] == "GRID_RUNG_DONE"]
    assert not any(rung["dropped_certain"] or rung["dropped_equivalent"] for rung in rungs)
    smoke = next(e["payload"] for e in events if e["event_type"] == "SMOKE_DONE")
    assert any("no significance" in warning for warning in smoke["warnings"])
    assert {job["metrics"]["p95_ms"] for job in jobs} == {5.0}
    assert {job["metrics"]["mrr@10"] for job in jobs} == {None}
    assert all(job["metrics"]["cost_per_query"] == pytest.approx(0.0001) for job in jobs)
    units = [e["payload"] for e in events if e["event_type"] == "UNIT_DONE"]
    asked = sum(unit["requests"] for unit in units if unit["kind"] == "evaluate")
    assert sum(unit["cost_usd"] for unit in units) == pytest.approx(0.0001 * asked)


SWEEPING = """
import os, subprocess, sys
from pathlib import Path
if os.environ["JOB_ID"].startswith(("00001", "00003")):
    home = Path(os.environ["RUNS_DIR"]).parents[1]
    with (home / "gc.txt").open("a") as told:
        subprocess.run([sys.argv[1], "gc", "--keep", "0", "--home", home], stdout=told, check=True)
os.execv(sys.argv[2], sys.argv[2:])
"""


def test_what_the_program_writes_stays_while_the_run_does(command, tmp_path, fiqa):
    """The program itself lets `orchestra gc` run while it is asked."""
    sweeping = tmp_path / "sweeping.py"
    sweeping.write_text(SWEEPING)
    experiment = experiment_with((sys.executable, str(sweeping), str(ORCHESTRA), *command("figures")))
    passed = {"environment": ["PATH", *(n for n in ("PYTHONPATH",) if n in os.environ)]}
    file = tmp_path / "orchestra.yaml"
    file.write_text(json.dumps({**experiment, "plugins": {"fiqa": {"command": passed}}}))
    ran = shell(tmp_path, "run", "--plugins", "fiqa", "-f", file)
    assert ran.returncode == 4, ran.stdout + ran.stderr
    assert (tmp_path / "gc.txt").read_text() == 2 * "Nothing to remove.\n"
    (folder,) = (tmp_path / ".runs").glob("command-*")
    shell(tmp_path, "gc", "--keep", "1")
    assert folder.exists()
    shell(tmp_path, "gc", "--keep", "0")
    assert not folder.exists()
    assert not list((tmp_path / ".runs").iterdir())


def shell(home, *words):
    return subprocess.run(
        [ORCHESTRA, *map(str, words)],
        cwd=home,
        env={**os.environ},
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
