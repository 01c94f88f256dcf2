"""What passes the door, and how: hosts, redirects, proxies, names, sizes, time."""

import gzip
import json
import socket
import threading
import time
import zlib

import httpcore2
import pytest

from orchestra_core.errors import AddressRefused, ExperimentError, RequestFailed
from orchestra_core.outbound.names import Names
from orchestra_core.outbound.reading import Sizes, depth

from .conftest import in_turn, reply, respond, until

ASK = {"method": "POST", "path": "/search", "content": {"q": "tax"}, "repeatable": True}


HINTLESS = ("encoding", "truncated", "closed")


def failure(door, **changes):
    with pytest.raises(RequestFailed) as caught:
        door.send(**{**ASK, **changes}).json()
    assert caught.value.hint or caught.value.reason in HINTLESS
    return caught.value


def test_a_request_and_its_answer(serve, opened):
    server = serve(reply(body=b'{"ids": [1, 2]}'))
    answer = opened(server.url + "/api/v1/").send("POST", "/search", content={"q": "Größe \ud800"})
    assert answer.json() == {"ids": [1, 2]}
    assert (answer.attempts, answer.backoff_ms, answer.status) == (1, 0.0, 200)
    assert 0 < answer.latency_ms < 5000
    (asked,) = server.asked
    assert (asked.method, asked.path) == ("POST", "/api/v1/search")
    assert json.loads(asked.body) == {"q": "Größe \ud800"}
    assert asked.headers["Host"] == f"127.0.0.1:{server.port}"
    assert asked.headers["Content-Type"] == "application/json"


def test_a_connection_is_used_again(serve, opened):
    server = serve()
    door = opened(server.url)
    for _ in range(5):
        door.send("GET", "/")
    assert server.connections == 1


def test_a_connection_that_the_server_closed_is_not_used_again(serve, opened):
    server = serve(reply(Connection="close"))
    door = opened(server.url, max_retries=0)
    for _ in range(3):
        door.send("GET", "/")
    assert server.connections == 3


def test_a_host_that_is_not_listed_refuses_the_experiment(opened):
    with pytest.raises(AddressRefused, match="not on the list") as caught:
        opened("http://search.example:9200")
    assert "http://search.example:9200" in caught.value.hint


def test_an_alias_is_dialled_and_told_and_the_name_kept(serve, opened, journal):
    server = serve()
    door = opened(f"http://andy-wsl:{server.port}", host_aliases={"andy-wsl": "127.0.0.1"})
    for _ in range(3):
        door.send("GET", "/ready")
    assert [a.headers["Host"] for a in server.asked] == [f"andy-wsl:{server.port}"] * 3
    resolved = f"http://127.0.0.1:{server.port}"
    told = {"raw": f"http://andy-wsl:{server.port}", "resolved": resolved}
    assert journal.of("ALIAS_APPLIED") == [told]


def test_an_alias_is_told_at_each_connection(serve, opened, journal):
    server = serve(reply(Connection="close"))
    door = opened(f"http://andy-wsl:{server.port}", host_aliases={"andy-wsl": "127.0.0.1"})
    for _ in range(3):
        door.send("GET", "/ready")
    assert len(journal.of("ALIAS_APPLIED")) == server.connections == 3
    assert door.dial_address("postgresql", "andy-wsl", 5432) == ("127.0.0.1", 5432)
    assert journal.of("ALIAS_APPLIED")[-1]["raw"] == "postgresql://andy-wsl:5432"


def test_a_resolver_that_changes_its_answer_changes_nothing(serve, opened):
    inside, outside = serve(), serve()
    answers = iter([["127.0.0.1"], ["127.0.0.2"], ["127.0.0.3"]])
    asked = []

    def flipping(host, _port):
        asked.append(host)
        return next(answers)

    host = f"shop.example:{inside.port}"
    door = opened(f"http://{host}", allowed_hosts=[host], resolve=flipping, max_retries=0)
    for _ in range(4):
        door.send("GET", "/", repeatable=False)
        door._transport._idle.close()  # so that the next request must dial anew
        door._transport._idle._closed = False
    assert (len(inside.asked), len(outside.asked), asked) == (4, 0, ["shop.example"])
    assert inside.connections == 4


@pytest.mark.parametrize("address", ["169.254.169.254", "0.0.0.1", "224.0.0.1", "fe80::1%eth0", "::"])
def test_a_listed_name_that_stands_for_no_service_is_refused(opened, address):
    door = opened(
        "http://shop.example:80", allowed_hosts=["shop.example:80"], resolve=lambda *_: [address]
    )
    with pytest.raises(AddressRefused, match="no service can be meant"):
        door.send("GET", "/")


def test_localhost_is_never_asked_of_a_name_server(serve, opened):
    server = serve()

    def lying(*_):
        raise AssertionError("asked")

    assert opened(f"http://localhost:{server.port}", resolve=lying).send("GET", "/").status == 200


def test_a_name_that_nobody_knows_is_a_named_failure(opened):
    def unknown(*_):
        raise socket.gaierror(-2, "Name or service not known")

    door = opened("http://shop.example:80", allowed_hosts=["shop.example:80"], resolve=unknown)
    error = failure(door)
    assert (error.reason, error.attempts) == ("name", 1)
    assert "host_aliases" in error.hint


def test_a_name_server_that_hangs_is_given_up(monkeypatch):
    monkeypatch.setattr("orchestra_core.outbound.names.PATIENCE_S", 0.05)
    over = threading.Event()
    with pytest.raises(RequestFailed, match="not found: no answer within") as caught:
        Names(lambda *_: over.wait(60) or []).addresses("slow.example", 80, 5.0)
    assert caught.value.reason == "name"
    over.set()


def test_a_name_is_looked_up_once_at_a_time_and_within_the_time_of_the_request(serve, opened):
    """A hanging name server costs each request its own time, not that of all before it."""
    over, asked = threading.Event(), []

    def slow(host, _port):
        asked.append(host)
        assert over.wait(60)
        return ["127.0.0.1"]

    server = serve()
    host = f"shop.example:{server.port}"
    door = opened(f"http://{host}", allowed_hosts=[host], resolve=slow, timeout_s=0.5, max_retries=0)
    errors = []
    threads = [threading.Thread(target=lambda: errors.append(failure(door))) for _ in range(8)]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    door.send("GET", server.url + "/", repeatable=False)  # another host is not held up
    for thread in threads:
        thread.join()
    assert time.monotonic() - began < 0.5 * len(threads)
    assert [(e.reason, e.attempts) for e in errors] == [("timeout", 1)] * 8
    assert "name server" in errors[0].hint
    over.set()
    until(lambda: _answers(door))
    assert asked == ["shop.example"]


def _answers(door):
    try:
        return door.send(**ASK).status == 200
    except RequestFailed:
        return False


def test_a_name_is_asked_again_after_a_failure(serve, opened):
    answers = iter([OSError("no network"), [], ["127.0.0.1"]])

    def flaky(*_):
        answer = next(answers)
        if isinstance(answer, OSError):
            raise answer
        return answer

    host = f"shop.example:{serve().port}"
    door = opened(f"http://{host}", allowed_hosts=[host], resolve=flaky)
    assert [failure(door).reason, failure(door).reason] == ["name", "name"]
    assert door.send(**ASK).status == 200


def test_a_second_address_gets_its_share_of_the_time_and_is_remembered(serve, opened, monkeypatch):
    server = serve(reply(Connection="close"))
    host, dialled = f"shop.example:{server.port}", []
    connect = httpcore2.SyncBackend.connect_tcp

    def hanging(backend, address, port, timeout, *rest):
        dialled.append((address, timeout))
        if address == "127.0.0.2":
            time.sleep(timeout)
            raise httpcore2.ConnectTimeout
        return connect(backend, address, port, timeout, *rest)

    monkeypatch.setattr(httpcore2.SyncBackend, "connect_tcp", hanging)
    door = opened(
        f"http://{host}",
        allowed_hosts=[host],
        resolve=lambda *_: ["127.0.0.2", "127.0.0.1"],
        timeout_s=2.0,
        max_retries=0,
    )
    for _ in range(3):
        assert door.send(**ASK).attempts == 1
    assert [address for address, _ in dialled] == ["127.0.0.2", "127.0.0.1", "127.0.0.1", "127.0.0.1"]
    assert dialled[0][1] <= 1.0


def whole(body, rest=b""):
    content = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s%s" % (len(body), body, rest)

    def answer(_asked, handler):
        handler.wfile.write(content)

    return answer


@pytest.mark.parametrize(
    "surplus",
    [
        b'HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n{"for": "other"}',
        b"HTTP/1.1 200 OK\r\nContent-Length: 16\r\n\r\n",
        b"   stray",
        b"\r\n",
        b"0",
    ],
)
def test_what_comes_after_an_answer_is_nobody_s_answer(serve, opened, surplus):
    server = serve(in_turn(whole(b'{"for": 1}', surplus), whole(b'{"for": 2}'), whole(b'{"for": 3}')))
    door = opened(server.url, max_retries=0)
    assert [door.send(**ASK).json()["for"] for _ in range(3)] == [1, 2, 3]
    assert server.connections == 2


def test_what_comes_after_the_last_chunk_is_nobody_s_answer(serve, opened):
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"

    def answer(_asked, handler):
        handler.wfile.write(chunked + chunked[:20])

    server = serve(in_turn(answer, whole(b"[1]")))
    door = opened(server.url, max_retries=0)
    assert [door.send(**ASK).json() for _ in range(2)] == [{}, [1]]


def test_environment_proxies_are_not_used(serve, opened, monkeypatch):
    target, proxy = serve(), serve()
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "HTTPS_PROXY"):
        monkeypatch.setenv(name, proxy.url)
    monkeypatch.setenv("NO_PROXY", "")
    opened(target.url).send(**ASK)
    assert (len(target.asked), len(proxy.asked)) == (1, 0)


def test_addresses_in_an_answer_are_never_asked(serve, opened):
    other = serve()
    body = b'{"next": "%s/next", "@odata.nextLink": "%s"}' % ((other.url.encode(),) * 2)
    server = serve(reply(body=body, Link=f'<{other.url}>; rel="next"', Alt_Svc=f'h2="{other.url}"'))
    opened(server.url).send(**ASK).json()
    assert (len(server.asked), len(other.asked)) == (1, 0)


SECRET = {"headers": {"Authorization": "Bearer ${env:TOKEN}"}, "environ": {"TOKEN": "s3cr3t-value"}}


@pytest.mark.parametrize("status", [307, 308])
def test_a_redirect_is_followed_without_credentials(serve, opened, status):
    other = serve(reply(body=b'{"ids": []}'))
    server = serve(reply(status, b"", Location=other.url + "/moved"))
    answer = opened(server.url, **SECRET).send(**ASK)
    assert (answer.status, answer.attempts) == (200, 2)
    assert server.asked[0].headers["Authorization"] == "Bearer s3cr3t-value"
    assert "Authorization" not in other.asked[0].headers
    assert (other.asked[0].method, other.asked[0].path) == ("POST", "/moved")
    assert other.asked[0].body == server.asked[0].body


def test_a_redirect_on_the_same_host_carries_no_credentials_either(serve, opened):
    server = serve(in_turn(reply(307, b"", Location="/elsewhere"), reply()))
    opened(server.url, **SECRET).send(**ASK)
    assert ["Authorization" in a.headers for a in server.asked] == [True, False]


@pytest.mark.parametrize(
    "location",
    [
        "http://evil.example/",
        "//evil.example/",
        "http://127.1/",
        "http://user:pass@127.0.0.1/",
        "https://169.254.169.254/latest/meta-data",
        "file:///etc/passwd",
        "relative",
        "",
        "http://127.0.0.1\\@evil.example/",
    ],
)
def test_a_redirect_off_the_list_is_a_failure_and_goes_nowhere(serve, opened, location):
    server = serve(reply(307, b"", Location=location))
    error = failure(opened(server.url, **SECRET))
    assert (error.reason, error.attempts, len(server.asked)) == ("redirect", 1, 1)
    assert "pass@" not in str(error)


@pytest.mark.parametrize("status", [307, 308])
@pytest.mark.parametrize("listed", [(), ("http",), ("",)])
def test_a_target_elsewhere_sends_nobody_to_this_machine_unless_it_is_listed(
    serve, opened, status, listed
):
    inside = serve()
    server = serve(reply(status, b"", Location=f"{inside.url}/admin"))
    elsewhere = f"shop.example:{server.port}"
    here = [f"{scheme}://{inside.url[7:]}".removeprefix("://") for scheme in listed]
    door = opened(
        f"http://{elsewhere}", allowed_hosts=[elsewhere, *here], resolve=lambda *_: ["127.0.0.1"]
    )
    if listed:
        assert door.send(**ASK).status == 200
    else:
        error = failure(door)
        assert (error.reason, inside.asked) == ("redirect", [])
        assert inside.url in error.hint


def test_all_hops_share_the_time_of_an_attempt(serve, opened):
    server = serve()

    def onwards(_asked, handler):
        time.sleep(0.2)
        respond(handler, 307, b"", Location="/on")

    server.answer = onwards
    error = failure(opened(server.url, timeout_s=0.5, max_retries=0))
    assert error.reason == "timeout"
    assert len(server.asked) <= 3


@pytest.mark.parametrize("status", [301, 302, 303])
def test_a_search_is_not_turned_into_a_get(serve, opened, status):
    server = serve(reply(status, b"", Location="/elsewhere"))
    error = failure(opened(server.url))
    assert error.reason == "redirect"
    assert len(server.asked) == 1


def test_a_get_follows_a_few_redirects_and_no_more(serve, opened):
    server = serve(in_turn(reply(302, b"", Location="/2"), reply()))
    assert opened(server.url).send("GET", "/1").status == 200
    circle = serve(reply(302, b"", Location="/again"))
    assert failure(opened(circle.url), method="GET", content=None).reason == "redirect"
    assert len(circle.asked) == 5


SMALL = Sizes(headers=2048, body=1000, depth=5)


def chunks(total):
    def answer(_asked, handler):
        handler.send_response(200)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        for _ in range(total // 100):
            handler.wfile.write(b"64\r\n" + b"x" * 100 + b"\r\n")
        handler.wfile.write(b"0\r\n\r\n")

    return answer


def raw(content):
    def answer(_asked, handler):
        handler.wfile.write(content)
        handler.wfile.flush()
        handler.close_connection = True

    return answer


BOMB = gzip.compress(b'{"a":"' + b"x" * 10_000_000 + b'"}')


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (reply(body=b'"' + b"x" * 2000 + b'"'), "too_large"),
        (chunks(5_000), "too_large"),
        (reply(body=BOMB, Content_Encoding="gzip"), "too_large"),
        (reply(body=zlib.compress(b"x" * 5_000), Content_Encoding="deflate"), "too_large"),
        (reply(body=b"x" * 100, Content_Encoding="br"), "encoding"),
        (reply(body=b"x" * 100, Content_Encoding="gzip"), "encoding"),
        (reply(body=gzip.compress(b'{"a": 1}')[:-9], Content_Encoding="gzip"), "truncated"),
        (reply(X_Large="y" * 4000), "headers_too_large"),
        (reply(X_Huge="y" * 300_000), "headers_too_large"),
        (reply(body=b"[" * 6 + b"]" * 6), "too_deep"),
        (reply(body=b'{"a":' * 200), "too_deep"),
        (reply(body=b"<html>no</html>"), "not_json"),
        (reply(body=b""), "not_json"),
        (reply(body=b'{"score": NaN}'), "not_json"),
        (reply(body=b'{"score": -Infinity}'), "not_json"),
        (reply(body=b'{"n": ' + b"9" * 900 + b"x}"), "not_json"),
        (reply(body=b"\xff\xfe\x00"), "not_json"),
        (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n{"), "truncated"),
        (raw(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"), "truncated"),
        (raw(b""), "disconnected"),
        (raw(b"HTTP/1.1 200"), "disconnected"),
        (raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"), "protocol"),
        (raw(b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"), "protocol"),
        (raw(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\nab"), "protocol"),
    ],
)
def test_an_answer_beyond_the_limits_is_a_named_failure(serve, opened, answer, reason):
    server = serve(answer)
    began = time.perf_counter()
    error = failure(opened(server.url, sizes=SMALL, max_retries=0))
    assert (error.reason, error.attempts) == (reason, 1)
    assert time.perf_counter() - began < 3
    # The next request is none the worse for it.
    server.answer = reply()
    assert opened(server.url, sizes=SMALL).send(**ASK).json() == {"ok": True}


def test_packed_answers_are_unpacked(serve, opened):
    body = b'{"ids": [1]}'
    for packing, packed in (("gzip", gzip.compress(body)), ("deflate", zlib.compress(body))):
        server = serve(reply(body=packed, Content_Encoding=packing))
        assert opened(server.url).send(**ASK).json() == {"ids": [1]}
        assert server.asked[0].headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"1", 0),
        (b'"[[["', 0),
        (b'{"a": "\\"[", "b": [1, {"c": []}]}', 4),
        (b'["\\\\", [[]]]', 3),
        (b'"' + b'\\"' * 200_000, 0),
        (b'"' * 400_001 + b"[" * 9, 0),
    ],
)
def test_depth_counts_brackets_outside_strings_and_is_never_slow(body, expected):
    began = time.perf_counter()
    assert depth(body) == expected
    assert time.perf_counter() - began < 10


def drip(handler, content, seconds, step=0.02):
    ends = time.monotonic() + seconds
    for byte in content:
        handler.wfile.write(bytes([byte]))
        handler.wfile.flush()
        time.sleep(step)
        if time.monotonic() > ends:
            return


@pytest.mark.parametrize("where", ["status", "headers", "body"])
def test_a_slow_drip_of_bytes_ends_with_the_deadline(serve, opened, where):
    head = b"HTTP/1.1 200 OK\r\n"

    def answer(_asked, handler):
        if where == "status":
            drip(handler, head * 60, 10)
        elif where == "headers":
            handler.wfile.write(head)
            drip(handler, b"X-Slow: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n" * 20, 10)
        else:
            handler.wfile.write(head + b"Content-Length: 1000\r\n\r\n")
            drip(handler, b" " * 1000, 10)

    door = opened(serve(answer).url, timeout_s=0.3, max_retries=0)
    began = time.perf_counter()
    error = failure(door)
    assert error.reason == "timeout"
    assert 0.25 < time.perf_counter() - began < 8
    assert 250 < error.latency_ms < 8000


def test_nobody_there(opened):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    error = failure(opened(f"http://127.0.0.1:{port}", max_retries=0))
    assert error.reason == "connect"
    assert "base_url" in error.hint


def test_https_to_a_server_of_http_is_a_named_failure(serve, opened):
    error = failure(opened(serve().url.replace("http:", "https:"), max_retries=0))
    assert error.reason == "tls"


def test_a_missing_file_of_authorities_is_a_named_failure(opened, monkeypatch):
    monkeypatch.setenv("SSL_CERT_FILE", "no-such-file.pem")
    error = failure(opened("https://127.0.0.1:9"))
    assert (error.reason, error.attempts) == ("tls", 1)
    assert "SSL_CERT_FILE" in error.hint


def test_statuses_are_named_with_what_the_target_said(serve, opened):
    server = serve(reply(404, b"no such\n  index"))
    error = failure(opened(server.url))
    assert (error.reason, error.attempts) == ("http_404", 1)
    assert str(error) == "the target answered 404: no such index"
    assert error.as_payload()["type"] == "http_404"


def test_many_threads_get_each_their_own_answer(serve, opened):
    server = serve(lambda asked, handler: respond(handler, 200, asked.body))
    door = opened(server.url)
    wrong = []

    def ask(worker):
        for number in range(50):
            content = {"worker": worker, "number": number}
            if door.send("POST", "/", content=content).json() != content:
                wrong.append(content)

    threads = [threading.Thread(target=ask, args=(worker,)) for worker in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert len(server.asked) == 400
    assert server.connections <= 8


def test_a_whole_address_must_be_listed_and_gets_no_credentials(serve, opened):
    server, other = serve(), serve()
    door = opened(server.url, **SECRET)
    door.send("GET", other.url + "/x")
    assert "Authorization" not in other.asked[0].headers
    with pytest.raises(AddressRefused, match="not on the list"):
        door.send("GET", "http://elsewhere.example/")


def test_a_path_cannot_leave_its_form(opened):
    door = opened("http://127.0.0.1:1")
    for path in ("/a b", "/a\r\nX: y", "/%", "/ü", "/" + "a" * 3000):
        with pytest.raises(AddressRefused, match="escaping"):
            door.send("GET", path)


def test_an_address_for_another_protocol(opened):
    door = opened(host_aliases={"db": "127.0.0.1"}, allowed_hosts=["postgresql://10.0.0.5:5432"])
    assert door.dial_address("postgresql", "DB", 5432) == ("127.0.0.1", 5432)
    assert door.dial_address("postgresql", "10.0.0.5", 5432) == ("10.0.0.5", 5432)
    with pytest.raises(AddressRefused):
        door.dial_address("postgresql", "10.0.0.6", 5432)
    with pytest.raises(AddressRefused, match="base_url is not set"):
        door.send("GET", "/")


def closed_while(door, holds):
    """What a request fails of that waits, however long, when the door is closed."""
    found = []
    waiting = threading.Thread(target=lambda: found.append(failure(door).reason))
    waiting.start()
    until(holds)
    door.close()
    waiting.join(30)
    return found


def test_a_closed_door_sends_nothing_and_wakes_who_waits(serve, opened):
    server = serve(reply(503))
    door = opened(server.url, backoff_s=1000.0)
    assert closed_while(door, lambda: server.asked) == ["closed"]
    assert failure(door).reason == "closed"
    assert len(server.asked) == 1


def test_a_closed_door_wakes_who_waits_for_the_rate(serve, opened):
    server = serve()
    door = opened(server.url, rate_limit_per_sec=0.001)
    door.send(**ASK)
    slots = door._upstream(door.base.origin).slots
    assert closed_while(door, lambda: slots.under_way) == ["closed"]
    assert len(server.asked) == 1


def test_a_closed_door_wakes_who_waits_for_a_slot(serve, opened, monkeypatch):
    server = serve()
    door = opened(server.url)
    slots = door._upstream(door.base.origin).slots
    slots.limit, slots.under_way, asked = 1.0, 1, []
    may_go_on = slots._may_go_on
    monkeypatch.setattr(slots, "_may_go_on", lambda: (asked.append(1), may_go_on())[1])
    assert closed_while(door, lambda: asked) == ["closed"]
    assert server.asked == []


def test_a_door_closed_while_a_request_is_under_way_sends_no_more_of_it(serve, opened):
    """The name is looked up while the door is closed: nobody is dialled then."""
    asked, go_on = threading.Event(), threading.Event()

    def resolve(*_):
        asked.set()
        assert go_on.wait(30)
        return ["127.0.0.1"]

    server = serve()
    host = f"shop.example:{server.port}"
    door = opened(f"http://{host}", allowed_hosts=[host], resolve=resolve)
    found = []
    waiting = threading.Thread(target=lambda: found.append(failure(door).reason))
    waiting.start()
    assert asked.wait(30)
    door.close()
    go_on.set()
    waiting.join(30)
    assert (found, server.asked) == (["closed"], [])


def test_an_unset_variable_is_told_before_anything_is_sent(opened):
    with pytest.raises(ExperimentError, match="SEARCH_TOKEN is not set") as caught:
        opened("http://127.0.0.1:1", headers={"Authorization": "Bearer ${env:SEARCH_TOKEN}"})
    assert caught.value.where == "runner.headers.Authorization"
