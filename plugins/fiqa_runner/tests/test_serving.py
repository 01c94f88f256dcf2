"""The HTTP server, as a process of its own, asked over a real socket."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
from collections import Counter
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from urllib.parse import urlsplit

import pytest
from orchestra_fiqa_runner.serving.faults import parse_faults

from orchestra_core.cli.main import run as run_cli
from orchestra_core.errors import UsageError

SCRIPT = Path(sys.executable).with_name("orchestra")
COLLECTIONS = ["fiqa_para", "fiqa_sent", "fiqa_win256_o64"]


@contextmanager
def served(cache_dir, *arguments):
    """The address of a server that runs while the block does, and its process."""
    command = [SCRIPT, "fiqa", "serve", "--port", "0", *arguments]
    environ = {**os.environ, "ORCHESTRA_CACHE_DIR": str(cache_dir)}
    with subprocess.Popen(
        command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            line = process.stdout.readline()
            assert line.startswith("Serving on http://127.0.0.1:"), process.stderr.read()
            yield urlsplit(line.split()[2]).netloc, process
        finally:
            process.kill()
            process.communicate()


def ask(address, content, path="/api/query", timeout=30):
    """Status, headers and parsed body."""
    connection = http.client.HTTPConnection(address, timeout=timeout)
    try:
        body = content if isinstance(content, bytes) else json.dumps(content)
        method = "GET" if content is None else "POST"
        headers = {"content-type": "application/json"}
        connection.request(method, path, None if content is None else body, headers)
        response = connection.getresponse()
        return response.status, response.headers, json.loads(response.read())
    finally:
        connection.close()


@pytest.fixture(scope="module")
def data_cache(tmp_path_factory, fiqa):
    """Where the datasets were fetched to already; indexes are built here anew."""
    from orchestra_fiqa_runner.data import cache

    folder = tmp_path_factory.mktemp("serving")
    (folder / "datasets").symlink_to(cache.data_folder())
    return folder


@pytest.fixture(scope="module")
def address(data_cache):
    with served(data_cache) as (found, _):
        yield found


def to_request(query, parameters):
    parameters = dict(parameters)
    mmr = parameters.pop("mmr", "off")
    return {
        "question": query.text,
        "use_hybrid": True,
        "mmr": mmr != "off",
        "mmr_lambda": 0.0 if mmr == "off" else mmr,
        "rerank": False,
        **parameters,
    }


def test_answers_are_those_of_the_embedded_engine_to_the_last_digit(address, runner, fiqa, make_grid):
    ones = make_grid(
        collection=COLLECTIONS, top_k=[10, 30], alpha=[0.0, 0.3, 1.0], mmr=["off", 0.3], ef_search=[32]
    )
    queries = fiqa.judged_queries()[:6]
    expected = {(o.config_id, o.query_id): o for o in runner.evaluate(ones, queries)}
    for one in ones:
        for query in queries:
            status, _, body = ask(address, to_request(query, one.parameters))
            assert status == 200
            same = expected[one.config_id, query.query_id]
            assert tuple(item["doc_id"] for item in body["items"]) == same.ranking
            assert tuple(item["score"] for item in body["items"]) == same.scores


def test_an_answer_tells_texts_times_and_cost(address, fiqa):
    _, _, body = ask(address, {"question": "How are stock options taxed?", "mmr": True})
    assert len(body["items"]) == 10
    assert all(fiqa.corpus[item["doc_id"]].startswith(item["text"]) for item in body["items"])
    assert set(body["latency_breakdown_ms"]) == {"embed", "lexical", "dense", "fusion", "diversity"}
    assert 0 < sum(body["latency_breakdown_ms"].values()) <= body["latency_ms"]
    assert 0 < body["cost"] < 0.001


@pytest.mark.parametrize(
    ("fields", "same_as"),
    [
        ({"use_hybrid": False}, {"alpha": 1.0}),
        ({"use_hybrid": False, "alpha": 0.3}, {"alpha": 1.0}),
        ({"use_hybrid": False, "alpha": 0}, {"alpha": 0.0}),
        ({"mmr_lambda": 0.9}, {"mmr": False}),
        ({}, {"collection": "fiqa_para", "top_k": 10, "alpha": 0.5, "ef_search": 64}),
    ],
)
def test_what_fields_mean(address, fields, same_as):
    question = {"question": "Is it wise to pay off the mortgage?"}
    one, other = (ask(address, {**question, **asked})[2]["items"] for asked in (fields, same_as))
    assert one == other


def test_the_server_says_what_it_serves(address, runner):
    status, _, body = ask(address, None, "/ready")
    mark = runner.fingerprint()
    assert status == 200
    assert body["status"] == "ready"
    assert (body["corpus_sha256"], body["documents"]) == (mark.corpus_sha256, mark.documents)
    assert (body["indexes"], body["versions"]) == (mark.indexes, mark.versions)
    status, _, body = ask(address, None, "/api/health/embeddings")
    assert (status, body["status"], body["dimensions"]) == (200, "ok", 256)


def test_the_description_names_every_field(address):
    status, _, body = ask(address, None, "/openapi.json")
    assert status == 200
    assert {"/api/query", "/ready", "/api/health/embeddings", "/api/policy"} <= set(body["paths"])
    fields = body["components"]["schemas"]["QueryRequest"]["properties"]
    named = "question top_k collection use_hybrid alpha mmr mmr_lambda ef_search rerank"
    assert set(fields) == set(named.split())
    assert all(field.get("description") for field in fields.values())


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"rerank": True}, ("no reranker", "rerank: false")),
        ({"topk": 3}, ("topk", "top_k")),
        ({"alpha": 1.5}, ("alpha",)),
        ({"top_k": "ten"}, ("top_k",)),
        ({"mmr": "on"}, ("mmr",)),
        ({"collection": "fiqa_pra"}, ("fiqa_pra", "fiqa_para")),
        ({"question": None}, ("question",)),
        ({"question": "x" * 10_001}, ("question",)),
    ],
)
def test_what_cannot_be_answered_is_refused_by_name(address, fields, words):
    status, _, body = ask(address, {"question": "x", **fields})
    assert status == 422
    assert all(word in body["error"]["msg"] + body["error"]["hint"] for word in words)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'{"question": NaN}'])
def test_a_malformed_body_is_refused(address, body):
    status, _, answer = ask(address, body)
    assert status in {400, 422}
    assert answer["error"]["msg"]


def test_half_a_surrogate_pair_is_an_error_and_not_the_end(address):
    status, _, body = ask(address, b'{"question": "\\ud800"}')
    assert status in {422, 500}
    assert body["error"]["type"]
    assert ask(address, {"question": "taxes"})[0] == 200


def test_faults_are_played_in_the_shares_asked_for(data_cache):
    faults = "error=0.2,garbage=0.2,truncate=0.2,slow=0.1:0.05,status429=0.02:7"
    seen = Counter()
    with served(data_cache, "--fault", faults, "--fault-seed", "3") as (address, process):
        for _ in range(300):
            seen[outcome(address)] += 1
        assert ask(address, None, "/ready")[0] == 200
        process.send_signal(signal.SIGINT)
        _, told = process.communicate(timeout=120)
        assert process.returncode == 0
    assert told == ""
    assert seen["500"] == pytest.approx(60, abs=25)
    assert seen["garbage"] == pytest.approx(60, abs=25)
    assert seen["truncated"] == pytest.approx(60, abs=25)
    assert seen["429"] >= 5
    assert seen["429"] % 5 in {0, 1, 2, 3, 4}
    assert seen["200"] + seen["slow"] > 50
    assert seen["slow"] >= 10


def outcome(address):
    began = perf_counter()
    try:
        status, headers, _ = ask(address, {"question": "taxes"})
    except http.client.IncompleteRead:
        return "truncated"
    except ValueError:
        return "garbage"
    if status == 429:
        assert headers["retry-after"] == "7"
    return "slow" if status == 200 and perf_counter() - began >= 0.05 else str(status)


def test_a_stalled_answer_never_comes(data_cache):
    with served(data_cache, "--fault", "stall=1") as (address, _):
        with pytest.raises(TimeoutError):
            ask(address, {"question": "taxes"}, timeout=0.5)
        assert ask(address, None, "/ready")[0] == 200


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("slwo=0.1", "'slow'"),
        ("slow", "share"),
        ("slow=2", "0 to 1"),
        ("slow=nan", "0 to 1"),
        ("error=0.1:3", "no seconds"),
        ("error=0.6,garbage=0.6", "more than 1"),
        ("error=0.1,error=0.1", "twice"),
    ],
)
def test_wrong_faults_are_refused(text, word):
    with pytest.raises(UsageError) as caught:
        parse_faults(text)
    assert word in f"{caught.value.message} {caught.value.hint}"


def put(address, content):
    connection = http.client.HTTPConnection(address, timeout=30)
    try:
        headers = {"content-type": "application/json"}
        connection.request("PUT", "/api/policy", json.dumps(content), headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"alpah": 0.5}, "alpah"),
        ({"alpha": 7}, "alpha"),
        ({"collection": "nowhere"}, "nowhere"),
        ({"mmr": "much"}, "mmr_lambda"),
    ],
)
def test_a_policy_that_the_engine_cannot_do_is_refused(address, parameters, told):
    status, body = put(address, {"run_id": "r", "config_id": "c", "parameters": parameters})
    assert status == 422
    assert told in body["error"]["msg"]
    assert ask(address, None, "/api/policy")[0] == 404


def test_no_faults_are_none():
    assert parse_faults(" ") == ()


def test_a_port_that_is_taken_is_told(data_cache):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        command = [SCRIPT, "fiqa", "serve", "--port", port]
        environ = {**os.environ, "ORCHESTRA_CACHE_DIR": str(data_cache)}
        done = subprocess.run(
            command, env=environ, capture_output=True, text=True, timeout=60, check=False
        )
    assert done.returncode == 3
    assert f"port {port}" in done.stderr
    assert "--port 0" in done.stderr


def test_help_loads_nothing_heavy():
    script = """
import sys
from orchestra_core.cli.main import run
run(["fiqa", "serve", "--help"])
print(sorted({"fastapi", "uvicorn", "bm25s", "psycopg", "wordllama"} & sys.modules.keys()))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert "--fault" in done.stdout
    assert done.stdout.strip().endswith("[]")


@pytest.mark.parametrize(
    ("host", "warned"),
    [
        ("127.evil.invalid", True),
        ("localhost.invalid", True),
        ("::10.0.0.1", True),
        ("127.0.0.1", False),
    ],
)
def test_only_this_machine_s_own_addresses_are_not_warned_of(host, warned, taken_port, capsys):
    """Nobody can listen there: the name does not exist, or the port is taken."""
    words = ["fiqa", "serve", "--host", host, "--port", str(taken_port), "--plugins", "fiqa"]
    assert run_cli(words) == 3
    assert ("no password" in capsys.readouterr().err) is warned


@pytest.fixture
def taken_port():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken.getsockname()[1]
