"""`diagnose` with a third-party runner whose behaviour is known, and the command around it."""

import json
import os

import pytest

from orchestra_core.cli.main import run
from orchestra_core.diagnosing.check import diagnose
from orchestra_core.hookspecs import hookimpl
from orchestra_core.observation import Observation
from orchestra_core.report import Ruling
from orchestra_core.runner import Health
from orchestra_core.session import Request
from orchestra_core.testing.running import run_stubs
from orchestra_core.testing.stubs import OpenStub, StubDatasets, StubRunner, StubTarget


@pytest.fixture
def look(tmp_path):
    """`look(runner=…, key=…)` diagnoses an experiment with the stub; nothing is installed."""

    def looks(*plugins, runner=None, environ=None, home=None, runner_section=None, **keys):
        file = tmp_path / "orchestra.yaml"
        keys |= {"runner": runner_section} if runner_section else {}
        file.write_text(json.dumps(keys), encoding="utf-8")
        request = Request(file=file, home=home or tmp_path / "home", environ=environ or {})
        stubs = [("stub_runner", runner or StubRunner()), ("stub_data", StubDatasets())]
        return diagnose(request, extra_plugins=[*stubs, *plugins], discover=False)

    return looks


def rows(found, *statuses):
    return {(f.area, f.name): f.message for f in found.findings if f.status in statuses}


def only_failure(found):
    (failure,) = found.failures
    assert failure.hint
    return failure


def test_all_is_well(look, tmp_path):
    runner = StubRunner()
    found = look(runner=runner, name="mine")
    assert (found.exit_code, found.failures) == (0, [])
    told = rows(found, "ok", "info")
    assert told["configuration", "file"] == f"{tmp_path}/orchestra.yaml: 1 key (name)"
    assert "runner 'stub'" in told["configuration", "defaults"]
    assert told["plugins", "stub_runner"].endswith("the runner")
    assert told["trial", "queries"].startswith("5 of 5 queries answered by ")
    assert told["trial", "ids"].startswith("100% of ")
    assert [len(queries) for _, _, queries in runner.calls] == [5]
    assert runner.opened[0].closed == 1
    assert not (tmp_path / "home").exists()


def test_the_trial_shows_what_came_back_beside_what_is_relevant(look):
    found = look(runner=StubRunner(StubTarget(quality=lambda _: 1.0)))
    (trial,) = (f for f in found.findings if (f.area, f.name) == ("trial", "queries"))
    assert len(trial.details["queries"]) == 5
    for query in trial.details["queries"]:
        assert query["relevant_found"] == 1
        assert len(query["retrieved"]) == 3


def test_only_tuning_queries_are_asked(look, tmp_path):
    runner = StubRunner()
    look(runner=runner)
    (event,) = run_stubs(tmp_path / "run").of_type("RUN_STARTED")
    asked = {query_id for _, query_id in runner.asked()}
    assert len(asked) == 5
    assert asked <= set(event.payload["plan"]["tuning"])


@pytest.mark.parametrize(
    ("target", "place", "told"),
    [
        (StubTarget(healthy=False), ("target", "health"), "unwell"),
        (StubTarget(raises=RuntimeError("boom")), ("trial", "queries"), "RuntimeError: boom"),
        (StubTarget(failing=lambda *_: True), ("trial", "queries"), "Most often stub_failure"),
        (StubTarget(foreign_ids=True), ("trial", "ids"), "none of"),
    ],
)
def test_a_target_that_is_not_usable(look, tmp_path, target, place, told):
    found = look(runner=StubRunner(target))
    failure = only_failure(found)
    assert found.exit_code == failure.exit_code == 3
    assert (failure.area, failure.name) == place
    assert told in failure.message
    assert ("home", "folder") in rows(found, "ok")
    assert not (tmp_path / "home").exists()


def test_foreign_ids_are_shown_beside_the_dataset_s(look):
    failure = only_failure(look(runner=StubRunner(StubTarget(foreign_ids=True))))
    assert "foreign-d" in failure.message
    assert "the dataset says d0000" in failure.message
    assert failure.details["overlap"] == 0.0


def test_an_unwell_target_gets_no_query(look):
    runner = StubRunner(StubTarget(healthy=False))
    found = look(runner=runner)
    assert runner.calls == []
    assert {name for _, name in rows(found, "skip")} == {"queries", "ids"}


def test_some_failures_warn(look):
    some = StubTarget(failing=lambda _config, query: int(query[1:]) % 2 == 0)
    found = look(runner=StubRunner(some))
    assert found.exit_code == 0
    assert "stub_failure" in rows(found, "warn")["trial", "queries"]


def test_some_foreign_ids_and_no_ids_at_all(look):
    class Odd(OpenStub):
        ranking = ()

        def evaluate(self, configurations, queries):
            for query in queries:
                yield Observation(configurations[0].config_id, query.query_id, ranking=self.ranking)

    class Odds(StubRunner):
        @hookimpl
        def orchestra_runner(self, request):
            return Odd(self.target, request.dataset, self.calls)

    found = look(runner=Odds())
    assert found.exit_code == 3
    assert "nothing was found" in rows(found, "fail")["trial", "ids"]
    Odd.ranking = ("d0001", "x1", "x2")
    found = look(runner=Odds())
    assert rows(found, "warn")["trial", "ids"].startswith("33% of 3 ids are in the corpus")


@pytest.mark.parametrize("exits", [RuntimeError("no index"), SystemExit(9)])
def test_a_runner_that_does_not_open(look, exits):
    class Broken(StubRunner):
        @hookimpl
        def orchestra_runner(self, request):
            raise exits

    found = look(runner=Broken())
    failure = only_failure(found)
    assert (failure.area, failure.name, found.exit_code) == ("target", "runner", 2)
    assert "stub_runner" in failure.message


def test_health_endpoints_have_a_row_each(look):
    class Told(OpenStub):
        def health(self):
            error = {
                "type": "http_503",
                "msg": "the target answered 503",
                "hint": "Wait.",
                "details": {},
            }
            details = {"/ready": {"status": 200, "latency_ms": 1.25}, "/deep": error, "documents": 3}
            return Health(ok=False, message="GET /deep: 503", hint="It runs; wait.", details=details)

    class Tells(StubRunner):
        @hookimpl
        def orchestra_runner(self, request):
            return Told(self.target, request.dataset, self.calls)

    found = look(runner=Tells())
    assert rows(found, "ok")["target", "/ready"] == "answered 200, 1.25 ms"
    failure = only_failure(found)
    assert (failure.name, failure.hint, found.exit_code) == ("/deep", "It runs; wait.", 3)


@pytest.mark.parametrize(
    ("keys", "place", "told"),
    [
        ({"baselin": {}}, ("configuration", "experiment"), "unknown key 'baselin'"),
        ({"dataset": "other"}, ("dataset", "other"), "there is no dataset"),
        ({"baseline": {"quality": 7}}, ("dataset", "plan"), "quality"),
        (
            {"runner_section": {"plugin": "other"}},
            ("plugins", "experiment"),
            "no runner plugin 'other'",
        ),
        (
            {"runner_section": {"base_url": "http://search.example:80"}},
            ("network", "base_url"),
            "not on the list",
        ),
        (
            {"runner_section": {"headers": {"Authorization": "Bearer ${env:NO_SUCH}"}}},
            ("network", "header Authorization"),
            "NO_SUCH is not set",
        ),
    ],
)
def test_a_wrong_configuration(look, keys, place, told):
    runner = StubRunner()
    found = look(runner=runner, **keys)
    failure = only_failure(found)
    assert (failure.area, failure.name) == place
    assert told in failure.message
    assert found.exit_code == 2
    assert runner.calls == []


def test_a_name_that_nobody_knows_is_the_target_s_trouble(look):
    address = "nobody.invalid:80"
    section = {"base_url": f"http://{address}", "allowed_hosts": [address]}
    found = look(runner_section=section)
    failure = only_failure(found)
    assert (failure.name, found.exit_code) == ("base_url", 3)
    assert "nobody.invalid" in rows(found, "warn")["network", "allowed_hosts"]


def test_where_each_layer_comes_from(look, tmp_path):
    environ = {"ORCHESTRA_SEED": "7", "RAG_TOKEN": "s3cr3t-t0ken", "PATH": "x"}
    section = {
        "base_url": "http://svc:8000/api",
        "host_aliases": {"svc": "127.0.0.1"},
        "allowed_hosts": ["127.0.0.1:9"],
        "headers": {"Authorization": "Bearer ${env:RAG_TOKEN}"},
    }
    file = tmp_path / "layers.yaml"
    file.write_text(json.dumps({"runner": section}), encoding="utf-8")
    request = Request(file=file, assignments=("limits.wall=60",), home=tmp_path, environ=environ)
    stubs = [("stub_runner", StubRunner()), ("stub_data", StubDatasets())]
    found = diagnose(request, extra_plugins=stubs, discover=False)
    told = rows(found, "ok")
    assert told["configuration", "environment"] == "1 key (ORCHESTRA_SEED)"
    assert told["configuration", "--set"] == "1 key (limits.wall)"
    assert "by alias at 127.0.0.1:8000; allowed: this machine" in told["network", "base_url"]
    assert told["network", "alias svc"] == "127.0.0.1"
    assert told["network", "header Authorization"] == "from the environment: RAG_TOKEN"
    assert "s3cr3t" not in json.dumps(found.as_json())
    details = next(f.details for f in found.findings if f.name == "file")
    assert details["runner.base_url"].startswith(f"{file}, line ")


def test_a_guard_that_would_deny(look):
    class Guard:
        @hookimpl
        def orchestra_guard(self, evidence):
            return Ruling(kind="deny", rule="freeze", reason="not today", hint="Come back tomorrow.")

    runner = StubRunner()
    found = look(("guard", Guard()), runner=runner)
    assert (only_failure(found).hint, found.exit_code) == ("Come back tomorrow.", 1)
    assert runner.calls == []


def test_a_snapshot_of_the_home_that_stays_as_it_is(look, tmp_path):
    finished = run_stubs(tmp_path / "home")
    before = content_of(tmp_path / "home")
    found = look(home=tmp_path / "home")
    told = rows(found, "ok")
    assert told["home", "latest run"] == f"{finished.run_id}: completed, verdict win"
    jobs = [name for area, name in told if area == "home" and name.startswith(finished.run_id)]
    assert len(jobs) == 3
    assert all("recall@10" in told["home", job] for job in jobs)
    assert content_of(tmp_path / "home") == before


def test_a_damaged_job_and_a_failed_run_are_told(look, tmp_path):
    home = tmp_path / "home"
    run_stubs(home, runner=StubRunner(StubTarget(healthy=False)))
    (home / ".runs" / "torn").mkdir(parents=True)
    (home / ".runs" / "torn" / "metrics.json").write_text("{")
    found = look(home=home)
    told = rows(found, "warn")
    assert ": failed: " in told["home", "latest run"]
    assert "damaged" in told["home", "torn"]
    assert found.exit_code == 0


def content_of(folder):
    return {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in folder.rglob("*") if p.is_file()}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_home_that_cannot_be_written(look, tmp_path):
    home = tmp_path / "home"
    home.mkdir(mode=0o500)
    assert only_failure(look(home=home)).name == "folder"


def test_a_home_below_a_file(look, tmp_path):
    (tmp_path / "file").write_text("")
    failure = only_failure(look(home=tmp_path / "file" / "home"))
    assert (failure.area, failure.name, failure.exit_code) == ("home", "folder", 3)


# --- the command ------------------------------------------------------------------------------------


@pytest.fixture
def orchestra(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for name in [n for n in os.environ if n.startswith("ORCHESTRA_") and n != "ORCHESTRA_CACHE_DIR"]:
        monkeypatch.delenv(name)

    def call(*words):
        capsys.readouterr()
        code = run(words)
        return code, capsys.readouterr().out

    return call


def test_one_table_with_a_hint_per_failure(orchestra, tmp_path):
    (tmp_path / "orchestra.yaml").write_text("sede: 1\n")
    code, out = orchestra("diag", "--plugins", "fiqa")
    assert code == 2
    assert "unknown key 'sede'" in out
    assert "Hint: " in out
    assert out.count("area ") == 1
    assert "would not work" in out


def test_json(orchestra, tmp_path):
    (tmp_path / "orchestra.yaml").write_text("sede: 1\n")
    code, out = orchestra("diag", "--json")
    content = json.loads(out)
    assert (code, content["exit_code"], content["usable"]) == (2, 2, False)
    keys = {"area", "name", "status", "message", "hint", "details"}
    assert all(set(check) == keys for check in content["checks"])
    assert all(check["hint"] for check in content["checks"] if check["status"] == "fail")


def test_a_file_that_is_not_there(orchestra):
    code, out = orchestra("diag", "--file", "none.yaml", "--json")
    (failed,) = (c for c in json.loads(out)["checks"] if c["status"] == "fail")
    assert (code, failed["name"]) == (2, "layers")
    assert "orchestra init" in failed["hint"]


def test_a_plugin_that_is_not_there(orchestra):
    code, out = orchestra("diag", "--plugins", "fiqua", "--json")
    (failed,) = (c for c in json.loads(out)["checks"] if c["status"] == "fail")
    assert (code, failed["area"]) == (2, "plugins")
