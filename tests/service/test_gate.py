"""What is refused, and that nothing gets around it."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import resource
import socket
import subprocess
import sys
from contextlib import suppress
from functools import reduce
from pathlib import Path

import pytest
from fastapi.routing import APIRoute
from starlette.testclient import TestClient

from orchestra_core.artifacts import Home
from orchestra_core.errors import UsageError
from orchestra_core.service.app import create_app
from orchestra_core.service.options import ServiceOptions
from orchestra_core.service.reading import MAX_DEPTH, MAX_VALUES, check_json
from orchestra_core.service.serving import MOST_CONNECTIONS

from .conftest import until

TOKEN = "a-token-of-some-length"  # noqa: S105
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")


def raw(served, request: bytes, *, seconds: float = 20) -> bytes:
    """What the service answers to these bytes, whatever they are."""
    host, _, port = served.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=seconds) as connection:
        connection.sendall(request)
        answer = b""
        while chunk := connection.recv(65_536):
            answer += chunk
    return answer


def head(served, line: str, *headers: str, host: bool = True) -> bytes:
    own = served.url.removeprefix("http://")
    lines = [line, *([f"Host: {own}"] if host else []), "Connection: close", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1", "127.0.0.1:1", "localhost.evil.example:{port}", "127.1:{port}",
     "127.0.0.1.:{port}", "127.0.0.1:{port}@evil.example", "2130706433:{port}", "[::1", "",
     "127.0.0.1:{port},evil.example"],
)  # fmt: skip
def test_only_the_services_own_hosts_are_answered(host, served):
    port = served.url.rpartition(":")[2]
    answer = raw(
        served, head(served, "GET /healthz HTTP/1.1", f"Host: {host.format(port=port)}", host=False)
    )
    assert answer.startswith(b"HTTP/1.1 400 ")


def test_two_hosts_or_none_are_refused(served):
    own = served.url.removeprefix("http://")
    for hosts in ((own, own), (own, "evil.example"), ()):
        lines = [f"Host: {host}" for host in hosts]
        answer = raw(served, head(served, "GET /healthz HTTP/1.1", *lines, host=False))
        assert answer.startswith(b"HTTP/1.1 400 "), hosts


@pytest.mark.parametrize(
    "kind", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data",
             "application/json-patch+json", "application/jsonx", "text/json"]
)  # fmt: skip
def test_state_changes_need_json(kind, served):
    headers = {"Content-Type": kind} if kind else {}
    for path in ("/orchestrate/run", "/orchestrate/cancel", "/orchestrate/resume"):
        answer = served.client.post(path, content=b'{"mode":"smoke"}', headers=headers)
        assert (answer.status_code, answer.json()["code"]) == (415, "content_type")


FOREIGN = [
    {"Origin": "http://evil.example"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
]


@pytest.mark.parametrize("header", FOREIGN)
def test_another_origin_changes_nothing(header, served):
    answer = served.post("/orchestrate/run", {"mode": "smoke"}, headers=header)
    assert (answer.status_code, answer.json()["code"]) == (403, "origin")
    assert "access-control-allow-origin" not in answer.headers


def test_no_cors(served):
    headers = {"Origin": "http://evil.example", "Access-Control-Request-Method": "POST"}
    answer = served.client.options("/orchestrate/run", headers=headers)
    assert answer.status_code == 405
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_large_bodies_are_refused_declared_or_not(served):
    large = b'{"experiment":{"name":"' + b"a" * 1_100_000 + b'"}}'
    headers = {"Content-Type": "application/json"}
    answer = served.client.post("/orchestrate/run", content=large, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")
    answer = served.client.post(
        "/orchestrate/run", content=itertools.chain([large]), headers=headers
    )  # chunked
    assert (answer.status_code, answer.json()["code"]) == (413, "too_large")


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"[" * 500_000, "nested deeper"),
        (b'{"experiment":' * 30 + b"1" + b"}" * 30, "nested deeper"),
        (b'{"a":1,"a":2}', "a key stands twice"),
        (b'{"a":NaN}', "NaN is no number"),
        (b'{"a":1e999}', "too large"),
        (b'{"a":"\\ud800"}', "half a surrogate"),
        (b'{"a":"\\u0000"}', "NUL"),
        (b'{"\\udfff":1}', "half a surrogate"),
        (b'{"a":' + b"9" * 5000 + b"}", "a number is too large"),
        (b'{"a":' + b"9" * 400 + b"}", "a number is too large"),
        (b"\xff\xfe", "not UTF-8"),
        (b"[]", "expected a JSON object"),
        (b"", "not valid JSON"),
        (json.dumps({"a": [0] * (MAX_VALUES + 1)}).encode(), "more than 20000 values"),
    ],
    ids=range(14),
)
def test_json_that_cannot_be_read_safely(body, told):
    found = check_json(body)
    assert told in found


def test_json_that_can(served):
    nested = {"a": 1}
    for _ in range(MAX_DEPTH - 3):
        nested = {"a": nested}
    assert check_json(json.dumps(nested).encode()) == ""
    headers = {"Content-Type": "application/json; charset=utf-8"}
    answer = served.client.post("/orchestrate/cancel", content=b'{"run_id":"x"}', headers=headers)
    assert answer.status_code == 404


@pytest.mark.parametrize(
    "body",
    [{"mode": "all"}, {"mod": "full"}, {"collection": "../x"}, {"collection": 3},
     {"overrides": {"k": 1}},
     {"overrides": {"sample": 0}}, {"overrides": {"alpha": []}}, {"overrides": {"alpha": [0.1] * 101}},
     {"overrides": {"concurrency": 257}}, {"preset": "huge"}, {"dry_run": "yes"}, {"experiment": []},
     {"overrides": {"top_k": {"a": 1}}}, {"again": 1}],
    ids=json.dumps,
)  # fmt: skip
def test_wrong_bodies(body, served):
    answer = served.post("/orchestrate/run", body)
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "invalid"


@pytest.mark.parametrize(
    "experiment",
    [{"space": {f"p{i}": list(range(90)) for i in range(40)}}, {"space": {"quality": [2.0]}},
     {"nothing": 1}, {"space": 5}, {"seed": -1}, {"dataset": "none"}, {"name": "../../x"},
     {"limits": {"wall": "99h"}}, {"collections": {"../x": {}}},
     {"stages": {"grid": {"sample": 10**7}}}],
    ids=str,
)  # fmt: skip
def test_wrong_experiments(experiment, served):
    answer = served.post("/orchestrate/run", {"experiment": experiment, "dry_run": True})
    assert answer.status_code == 422, answer.text
    assert answer.json()["message"]
    assert "Traceback" not in answer.text


@pytest.fixture(scope="module")
def finished(served):
    run_id = served.run(mode="smoke")["run_id"]
    served.wait(run_id)
    return run_id


@pytest.mark.parametrize(
    "path",
    ["../serve.log", "..%2fserve.log", "%2e%2e/serve.log", "/etc/passwd", "%2fetc%2fpasswd",
     "reports/../serve.log", "reports/%2e%2e/%2e%2e/etc/passwd", "reports/service/x/order.json",
     "reports/events/other.jsonl", "reports%00", "reports/events", "", ".", "//etc/passwd",
     "reports\\..\\serve.log", "reports/events/../events/{run_id}.jsonl", "%c0%ae%c0%ae/serve.log",
     ".runs/../reports/winners.final.json", "reports/memory/index.jsonl", "file:///etc/passwd"],
)  # fmt: skip
def test_artifacts_are_confined(path, served, finished):
    target = f"/orchestrate/artifacts/{finished}/{path.format(run_id=finished)}"
    answer = raw(served, head(served, f"GET {target} HTTP/1.1"))
    status = int(answer.split(b" ")[1])
    assert status in {400, 404, 422}, answer[:200]
    assert b"root:" not in answer


@pytest.mark.parametrize(
    "run_id", ["../x", "..", ".", "a/b", "a%2fb", "", "a" * 300, "x\0", "ä", "a\\b", "-x"]
)
def test_run_ids_are_checked(run_id, served):
    for path in ("status", "report", "events"):
        answer = served.get(f"/orchestrate/{path}", run_id=run_id)
        assert answer.status_code == 422, (path, answer.text)
    answer = served.post("/orchestrate/cancel", {"run_id": run_id})
    assert answer.status_code in {400, 422}


def test_a_link_that_leaves_the_home_folder_is_not_followed(served, finished, tmp_path):
    secret = tmp_path / "secret"
    secret.write_text("secret")
    files = served.get("/orchestrate/report", run_id=finished).json()["artifacts"]
    name = next(file["path"] for file in files if file["path"].endswith("/metrics.json"))
    (served.home / name).unlink()
    (served.home / name).symlink_to(secret)
    assert served.get(f"/orchestrate/artifacts/{finished}/{name}").status_code == 404


def test_slow_clients_pin_nothing(serve):
    """Heads, bodies and rests of bodies that never end, beside a client that is served."""
    served = serve()
    host, _, port = served.url.removeprefix("http://").partition(":")
    whole = head(served, "POST /orchestrate/run HTTP/1.1", "Content-Type: application/json",
                 "Content-Length: 100")  # fmt: skip
    own, length = f"Host: {host}:{port}\r\n", "Content-Length: 1000000\r\n\r\n"
    unread = {
        "a wrong host": f"GET / HTTP/1.1\r\nHost: evil\r\n{length}",
        "a wrong type": f"POST /orchestrate/run HTTP/1.1\r\n{own}{length}",
        "a body of GET": f"GET /healthz HTTP/1.1\r\n{own}{length}",
        "chunks": f"GET /healthz HTTP/1.1\r\n{own}Transfer-Encoding: chunked\r\n\r\nFFFFF\r\n",
    }
    slow = {"nothing": b"", "half a head": b"GET / HTTP/1.1\r\nX: ", "half a body": whole + b"{"}
    slow |= {name: text.encode() for name, text in unread.items()}

    async def trickle(data: bytes) -> bytes:
        """What is answered; returns once the connection is closed."""
        reader, writer = await asyncio.open_connection(host, int(port))
        writer.write(data)
        answer = asyncio.create_task(until_closed(reader))
        while not answer.done() and data:
            writer.write(b"a" if len(data) > 30 else b"")
            with suppress(OSError):
                await writer.drain()
            await asyncio.wait([answer], timeout=0.5)
        writer.close()
        return await answer

    async def until_closed(reader: asyncio.StreamReader) -> bytes:
        """What came, also where a write of ours met a closed connection."""
        found = b""
        with suppress(OSError):
            while part := await reader.read(65536):
                found += part
        return found

    async def all_of_them() -> dict[str, list[bytes]]:
        gathered = {n: asyncio.gather(*(trickle(data) for _ in range(25))) for n, data in slow.items()}
        for _ in range(20):
            assert (await asyncio.to_thread(served.get, "/readyz")).status_code == 200
        return {name: await answers for name, answers in gathered.items()}

    answers = asyncio.run(all_of_them())  # the test's own limit ends what does not end
    assert set(answers["nothing"]) | set(answers["half a head"]) == {b""}  # cut off
    assert all(answer.startswith(b"HTTP/1.1 408 ") for answer in answers["half a body"])
    assert served.get("/healthz").status_code == 200


@pytest.fixture
def many_sockets():
    """Room for more connections than the service takes."""
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * MOST_CONNECTIONS
    if before[1] != resource.RLIM_INFINITY and before[1] < wanted:
        pytest.skip("too few files may be open")
    if before[0] < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def connect(served):
    host, _, port = served.url.removeprefix("http://").partition(":")
    return asyncio.open_connection(host, int(port))


async def opened(served, data: bytes, told: bytes):
    """A connection on which that was sent, once the service has answered so."""
    reader, writer = await connect(served)
    writer.write(data)
    if told:
        await reader.readuntil(told)
    return reader, writer


async def many_of(served, count: int, data: bytes, told: bytes):
    """So many of them, a few at a time."""
    found = []
    while len(found) < count:
        some = min(50, count - len(found))
        found += await asyncio.gather(*(opened(served, data, told) for _ in range(some)))
    return found


def test_more_connections_than_are_taken(serve, many_sockets):
    """Those who wait for nothing make room; when all are at work, the next one is told."""
    served = serve()
    at_work = head(served, "POST /orchestrate/run HTTP/1.1", "Content-Type: application/json",
                   "Content-Length: 100", "Expect: 100-continue")  # fmt: skip
    refused = b"GET / HTTP/1.1\r\nHost: evil\r\nContent-Length: 100\r\n\r\n"

    async def answer_among(data: bytes, told: bytes, more: int) -> bytes:
        others = await many_of(served, MOST_CONNECTIONS + more, data, told)
        reader, writer = await opened(served, head(served, "GET /healthz HTTP/1.1"), b"")
        answer = await reader.read()
        for _, each in (*others, (reader, writer)):
            each.close()
        return answer

    for idle, told in ((b"", b""), (refused, b"400 ")):
        assert asyncio.run(answer_among(idle, told, 1)).startswith(b"HTTP/1.1 200 ")
    until(lambda: served.get("/healthz").status_code == 200)
    top, _, body = asyncio.run(answer_among(at_work, b"100 ", 0)).partition(b"\r\n\r\n")
    assert top.startswith(b"HTTP/1.1 503 "), top
    assert b"application/problem+json" in top
    assert b"nosniff" in top
    assert json.loads(body)["code"] == "crowded"
    until(lambda: served.get("/healthz").status_code == 200)
    assert 'status="503"' in served.get("/metrics").text


def test_a_client_that_is_served_outstays_those_that_ask_nothing(serve, many_sockets):
    served = serve()
    own = served.url.removeprefix("http://")
    request = f"GET /healthz HTTP/1.1\r\nHost: {own}\r\n\r\n".encode()

    async def ask_among_idlers():
        reader, writer = await connect(served)
        idle = []
        while len(idle) < MOST_CONNECTIONS + 200:
            writer.write(request)
            assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(len('{"status":"ok"}'))
            idle += await many_of(served, 50, b"", b"")
        for _, each in (*idle, (reader, writer)):
            each.close()

    asyncio.run(ask_among_idlers())


NO_HTTP = [b"nonsense\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", b"\x16\x03\x01\r\n\r\n"]


@pytest.mark.parametrize("request_", NO_HTTP)
def test_what_is_no_http_is_a_problem_too(request_, served):
    top, _, body = raw(served, request_).partition(b"\r\n\r\n")
    assert top.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in top
    assert b"nosniff" in top
    assert json.loads(body)["hint"]


@pytest.mark.parametrize("more", [(), ("Content-Type: application/json",)], ids=["refused", "read"])
def test_a_body_that_ends_in_nonsense_leaves_no_trace(more, served):
    lines = head(served, "POST /orchestrate/run HTTP/1.1", "Transfer-Encoding: chunked", *more)
    top = raw(served, lines + b"nonsense\r\n\r\n")
    assert top.startswith(b"HTTP/1.1 400 ")
    assert served.get("/healthz").status_code == 200
    assert "Traceback" not in served.log.read_text()


PATHS = [
    "/",
    "/runs/{run_id}",
    "/healthz",
    "/readyz",
    "/metrics",
    "/openapi.json",
    "/static/page.js",
    "/orchestrate/runs",
    "/orchestrate/status?run_id={run_id}",
    "/orchestrate/events?run_id={run_id}",
    "/orchestrate/artifacts/{run_id}/reports/events/{run_id}.jsonl",
]


@pytest.mark.parametrize("path", PATHS)
def test_head_answers_as_get_without_the_body(path, served, finished):
    path = path.format(run_id=finished)
    found, asked = served.client.head(path), served.get(path)
    assert (found.status_code, found.content) == (200, b"")
    assert found.headers["content-type"] == asked.headers["content-type"]


@pytest.mark.parametrize(
    "ranges", ["bytes=abc", "bytes=9999999-", "lines=0-1", "bytes=5-1", "bytes=0-4"]
)
def test_artifacts_are_served_whole(ranges, served, finished):
    url = f"/orchestrate/artifacts/{finished}/reports/events/{finished}.jsonl"
    answer = served.client.get(url, headers={"Range": ranges})
    assert (answer.status_code, answer.content) == (200, served.get(url).content)


@pytest.mark.parametrize("path", ["/orchestrate/plugins", "/orchestrate/runs", "/"])
def test_another_sites_page_may_link_and_not_fetch(path, served):
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
    assert served.client.get(path, headers=headers).json()["code"] == "origin"
    link = {**headers, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert served.client.get(path, headers=link).status_code == 200
    frame = {**headers, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}
    assert served.client.get(path, headers=frame).status_code == 403


@pytest.mark.parametrize("charset", ["latin1", "utf-16", "utf-8; charset=latin1"])
def test_bodies_are_utf_8(charset, served):
    headers = {"Content-Type": f"application/json; charset={charset}"}
    answer = served.client.post("/orchestrate/cancel", content=b'{"run_id":"x"}', headers=headers)
    assert answer.status_code == 415


@pytest.fixture
def guarded(tmp_path):
    """The application with a token, in this process."""
    options = ServiceOptions(home=Home(tmp_path), token=TOKEN, port=8001)
    app = create_app(options)
    with TestClient(app, base_url="http://127.0.0.1:8001", raise_server_exceptions=False) as client:
        yield app, client


def offers():
    good = base64.b64encode(f"anyone:{TOKEN}".encode()).decode()
    wrong = ["", "Bearer", "Bearer ", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}", f"bearer{TOKEN}",
             TOKEN, "Basic", "Basic !!!", f"Basic {base64.b64encode(TOKEN.encode()).decode()}",
             f"Token {TOKEN}", "Bearer \xe4"]  # fmt: skip
    return [f"Bearer {TOKEN}", f"bearer {TOKEN}", f"Basic {good}"], wrong


def every_route(app):
    for route in app.routes:
        inner = getattr(route, "original_router", None)
        yield from inner.routes if inner is not None else [route]


def addresses(app):
    """Every path of the application, with its parameters filled in."""
    found = {route.path for route in every_route(app)}
    assert len(found) > 10
    values = {"{run_id}": "x", "{path:path}": "y", "{name}": "z"}
    for template in sorted(found):
        path = reduce(lambda text, pair: text.replace(*pair), values.items(), template)
        assert "{" not in path, path
        yield path


def test_every_route_and_method_needs_the_token(guarded):
    app, client = guarded
    _, wrong = offers()
    seen = 0
    for path, method in itertools.product([*addresses(app), "/nothing"], METHODS):
        for offer in [None, *wrong] if method in {"GET", "POST"} else [None]:
            headers = {"Content-Type": "application/json"}
            if offer is not None:
                headers["Authorization"] = offer.encode("latin-1")
            answer = client.request(method, path, headers=headers)
            if path == "/healthz":
                assert answer.status_code != 401
            else:
                assert answer.status_code == 401, (method, path, offer)
                assert answer.headers["www-authenticate"].startswith("Basic")
            seen += 1
    assert seen > 300


def test_the_token_opens_and_never_in_the_address(guarded):
    app, client = guarded
    good, _ = offers()
    for offer in good:
        answer = client.get("/readyz", headers={"Authorization": offer})
        assert answer.status_code == 200
    assert client.get(f"/readyz?token={TOKEN}&access_token={TOKEN}").status_code == 401
    two = [("Authorization", good[0]), ("Authorization", good[0])]
    assert client.get("/readyz", headers=two).status_code == 401
    assert app.openapi()["security"] == [{"token": []}]


def test_every_operation_is_described(guarded):
    app, _ = guarded
    content = app.openapi()
    for path, operations in content["paths"].items():
        for method, operation in operations.items():
            assert operation["description"], (method, path)
            assert "400" in operation["responses"]
    routes = [r for r in every_route(app) if isinstance(r, APIRoute) and r.include_in_schema]
    assert {route.path_format for route in routes} == set(content["paths"])


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "tuner.example", ""])  # noqa: S104
def test_no_listening_elsewhere_without_a_token(host, tmp_path):
    hosts = ("tuner.example:8001",)
    with pytest.raises(UsageError, match="no token is set"):
        ServiceOptions(home=Home(tmp_path), host=host, allowed_hosts=hosts)
    assert ServiceOptions(home=Home(tmp_path), host=host, token=TOKEN, allowed_hosts=hosts)


@pytest.mark.parametrize("host", ["0.0.0.0", "::"])  # noqa: S104
def test_every_address_needs_a_name_to_answer_under(host, tmp_path):
    with pytest.raises(UsageError, match="no name to answer under"):
        ServiceOptions(home=Home(tmp_path), host=host, token=TOKEN)
    hosts = ("a.example:80",)
    named = ServiceOptions(home=Home(tmp_path), host=host, token=TOKEN, allowed_hosts=hosts)
    assert named.address(80) == "http://a.example:80"


@pytest.mark.parametrize("host", ["http://foo", "foo/bar", "a b", "", "foo:port", "user@foo"])
def test_a_host_is_a_name_with_a_port(host, tmp_path):
    with pytest.raises(UsageError, match="is not a host"):
        ServiceOptions(home=Home(tmp_path), allowed_hosts=(host,))


@pytest.mark.parametrize("token", ["short", "with space in it all", "umläute-umläute-umläute", ""])
def test_weak_tokens_are_refused(token, tmp_path):
    with pytest.raises(UsageError, match="token"):
        ServiceOptions(home=Home(tmp_path), token=token)


def test_hosts_follow_the_address(tmp_path):
    def hosts(host, *more):
        return ServiceOptions(home=Home(tmp_path), host=host, token=TOKEN, allowed_hosts=more).hosts(
            8001
        )

    assert hosts("127.0.0.1") == {"127.0.0.1:8001", "localhost:8001", "[::1]:8001"}
    assert hosts("0.0.0.0", "Tuner.example:8001") == {"tuner.example:8001"}  # noqa: S104
    assert hosts("192.168.1.5") == {"192.168.1.5:8001"}
    assert hosts("fd00::1") == {"[fd00::1]:8001"}


CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance"
)
PASSES = {
    # A plan is a process of a second, and coverage asks for hundreds: benchmarks/ does that.
    "run": ("--include-operation-id", "run", "--phases", "examples,fuzzing,stateful"),
    "the others": ("--exclude-operation-id", "run"),
}


@pytest.mark.parametrize("words", PASSES.values(), ids=PASSES)
def test_schemathesis_finds_no_server_error(words, serve):
    """The whole OpenAPI, with data that fits and data that does not."""
    pytest.importorskip("schemathesis")
    served = serve("--workers", "1", "--queue", "0")
    served.wait(served.run(mode="smoke")["run_id"])
    command = [Path(sys.executable).with_name("st"), "run", f"{served.url}/openapi.json", *words]
    command += ["--max-examples", "8", "--checks", CHECKS, "--seed", "1", "--no-color"]
    command += ["--request-timeout", "30", "--suppress-health-check", "all", "--continue-on-failure"]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=served.home, timeout=280, check=False
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert served.get("/healthz").json() == {"status": "ok"}
    assert "Traceback" not in served.log.read_text()
