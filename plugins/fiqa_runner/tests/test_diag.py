"""`orchestra diag` over each backend: what is usable, and what is not and why."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

from .loopback import serving
from .test_serving import data_cache, served  # noqa: F401 - a fixture

SCRIPT = Path(sys.executable).with_name("orchestra")
PROGRAM = Path(__file__).parent / "data" / "script.py"


@pytest.fixture
def diag(tmp_path, data_cache):  # noqa: F811
    """`diag("key=value", …)`: exit code, and (area, name) → check; the home folder stays empty."""

    def look(*assignments, cache=data_cache, **environ):
        words = [SCRIPT, "diag", "--plugins", "fiqa", "--home", tmp_path / "home", "--json"]
        words += [word for assignment in assignments for word in ("--set", assignment)]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("ORCHESTRA_")}
        environment = {**kept, "ORCHESTRA_CACHE_DIR": str(cache), **environ}
        done = subprocess.run(
            words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
        )
        assert "Traceback" not in done.stderr
        checks = json.loads(done.stdout)["checks"]
        assert not (tmp_path / "home").exists()
        return done.returncode, {(c["area"], c["name"]): c for c in checks}

    return look


def failed(checks):
    return {place: c for place, c in checks.items() if c["status"] == "fail"}


def is_usable(code, checks):
    assert failed(checks) == {}
    assert code == 0
    assert checks["trial", "queries"]["message"].startswith("5 of 5 queries answered")
    assert checks["trial", "ids"]["message"].startswith("100% of ")
    return True


def test_embedded(diag):
    assert is_usable(*diag())


def test_http_behind_an_alias(diag, data_cache):  # noqa: F811
    with served(data_cache) as (address, _):
        port = address.rpartition(":")[2]
        code, checks = diag(
            "runner.backend=http",
            f"runner.base_url=http://andy-wsl:{port}",
            "runner.host_aliases={andy-wsl: 127.0.0.1}",
        )
    assert is_usable(code, checks)
    assert f"by alias at 127.0.0.1:{port}" in checks["network", "base_url"]["message"]
    assert checks["target", "/ready"]["message"].startswith("answered 200")
    assert checks["target", "/api/health/embeddings"]["status"] == "ok"
    assert "648 documents" in checks["target", "fingerprint"]["message"]


def test_http_with_nobody_there(diag):
    code, checks = diag("runner.backend=http", "runner.base_url=http://127.0.0.1:9")
    assert code == 3
    assert set(failed(checks)) == {("target", "/ready"), ("target", "/api/health/embeddings")}
    assert "Start the service" in checks["target", "/ready"]["hint"]
    assert checks["trial", "queries"]["status"] == "skip"


@pytest.mark.parametrize(
    ("assignment", "code", "place"),
    [
        ("runner.base_url=http://search.example:80", 2, ("network", "base_url")),
        ("plugins.fiqa.mapping=solr", 2, ("configuration", "experiment")),
        ('runner.headers={Authorization: "Bearer ${env:NO_SUCH}"}', 2, None),
    ],
)
def test_http_wrongly_configured(diag, assignment, code, place):
    base = () if "base_url" in assignment else ("runner.base_url=http://127.0.0.1:9",)
    found, checks = diag("runner.backend=http", *base, assignment)
    assert found == code
    assert (place or ("network", "header Authorization")) in failed(checks)


@pytest.mark.parametrize("kind", ["foreign", "empty", "garbage", "503"])
def test_http_that_is_not_usable(diag, kind):
    answers = {
        "foreign": (200, {"items": [{"doc_id": "x1"}]}),
        "empty": (200, {"items": []}),
        "garbage": (200, b"<html>"),
        "503": (503, b""),
    }
    asked = Counter()

    def answer(request):
        asked[request.method] += 1
        return (200, {}) if request.method == "GET" else answers[kind]

    token = "s3cr3t-" + "token" * 4
    with serving(answer) as service:
        section = ("runner.backend=http", f"runner.base_url={service.url}")
        header = 'runner.headers={Authorization: "Bearer ${env:RAG_TOKEN}"}'
        code, checks = diag(*section, header, "runner.rate_limit_per_sec=0", RAG_TOKEN=token)
    assert code == 3
    (place,) = failed(checks)
    assert place == ("trial", "ids" if kind in ("foreign", "empty") else "queries")
    assert failed(checks)[place]["hint"]
    assert asked["POST"] == (10 if kind == "503" else 5)
    assert token not in json.dumps(list(checks.values()))


def test_what_an_answer_says_against_itself_is_told(diag, fiqa):
    items = [{"doc_id": d, "score": rank} for rank, d in enumerate(list(fiqa.corpus)[:15])]
    with serving(lambda _request: (200, {"items": items})) as service:
        section = ("runner.backend=http", f"runner.base_url={service.url}", "limits.wall=10")
        header = 'runner.headers={X-Short: "${env:SHORT}"}'
        aliases = "runner.host_aliases={unused: nobody.invalid}"
        code, checks = diag(*section, header, aliases, SHORT="abc")
    assert is_usable(code, checks)
    assert "scores rise" in checks["trial", "scores"]["message"]
    assert "up to 15 documents" in checks["trial", "depth"]["message"]
    assert "not taken out" in checks["network", "header X-Short"]["message"]
    assert checks["network", "alias unused"]["status"] == "warn"
    assert checks["dataset", "plan"]["status"] == "warn"
    assert "limits.wall" in checks["dataset", "plan"]["hint"]


@pytest.mark.parametrize("behave", ["rankings", "figures", "silent"])
def test_command(diag, fiqa, tmp_path, behave):
    corpus = tmp_path / "corpus.json"
    corpus.write_text(json.dumps(dict(fiqa.corpus)))
    program = [sys.executable, str(PROGRAM), "--corpus", str(corpus), "--behave", behave]
    code, checks = diag("runner.backend=command", f"runner.runner_cmd={json.dumps(program)}")
    if behave == "rankings":
        assert is_usable(code, checks)
    elif behave == "figures":
        assert (code, checks["trial", "ids"]["status"]) == (0, "warn")
    else:
        assert (code, set(failed(checks))) == (3, {("trial", "queries")})
        assert "metrics.json" in checks["trial", "queries"]["message"]


def test_command_without_a_program(diag):
    code, checks = diag("runner.backend=command")
    assert (code, set(failed(checks))) == (2, {("dataset", "plan")})
    assert "runner.runner_cmd" in checks["dataset", "plan"]["message"]


def test_pgvector_without_a_server(diag):
    code, checks = diag("runner.backend=pgvector")
    assert (code, set(failed(checks))) == (2, {("dataset", "plan")})
    dsn = "postgresql://nobody@127.0.0.1:9/none"
    code, checks = diag("runner.backend=pgvector", FIQA_PG_DSN=dsn)
    assert (code, set(failed(checks))) == (3, {("target", "runner")})


def test_pgvector(diag, kit, data_cache):  # noqa: F811
    """A demonstration server, first without the corpus, then with it."""
    settings = ("runner.backend=pgvector", "plugins.fiqa.pgvector.demo=true")
    small = ("space={alpha: [0.0, 0.5]}", "baseline={collection: fiqa_para, alpha: 0.0}")
    collections = "collections={fiqa_para: {chunking: para}}"
    code, checks = diag(*settings, *small, collections)
    assert (code, set(failed(checks))) == (3, {("target", "runner")})
    assert checks["target", "runner"]["hint"]
    load = [SCRIPT, "fiqa", "load", "--demo"]
    for assignment in (*settings, *small, collections):
        load += ["--set", assignment]
    environ = {**os.environ, "ORCHESTRA_CACHE_DIR": str(data_cache)}
    subprocess.run(load, env=environ, check=True, capture_output=True)
    assert is_usable(*diag(*settings, *small, collections))


@pytest.mark.skipif(shutil.which("make") is None, reason="no make here")
@pytest.mark.parametrize(
    ("more", "code"), [("", 0), ("--set runner.backend=http --set runner.base_url=http://[::1]:9", 2)]
)
def test_make(tmp_path, data_cache, more, code):  # noqa: F811
    """The target of the Makefile, in an environment that is set up already; make itself ends with 2."""
    environment = tmp_path / "environment"
    environment.mkdir()
    (environment / "bin").symlink_to(SCRIPT.parent)
    ready = [str(environment / stamp) for stamp in (".installed", ".data")]
    for stamp in ready:
        Path(stamp).touch()
    arguments = f"--json --plugins fiqa --home {tmp_path / 'home'} {more}"
    done = subprocess.run(
        [
            *("make", "orchestrate.diag", f"VENV={environment}", f"ARGS={arguments}"),
            *("-o", ready[0], "-o", ready[1]),  # nothing is installed, whatever the clock says
        ],
        cwd=Path(__file__).parents[3],
        env={**os.environ, "ORCHESTRA_CACHE_DIR": str(data_cache)},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    printed = done.stdout[done.stdout.index("{") :]
    found, _ = json.JSONDecoder().raw_decode(printed)
    assert found["exit_code"] == (3 if code else 0)
