"""One way to write an address; whatever two parsers could read differently is refused, with a hint."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestra_core.errors import AddressRefused
from orchestra_core.outbound.addresses import Origin, parse_host_port, parse_url
from orchestra_core.outbound.policy import Policy, parse_alias, parse_allowed
from orchestra_core.outbound.secrets import check_headers

HOSTILE = {
    "http://user:hunter2@127.0.0.1:8000": "user or password",
    "http://127.0.0.1@evil.example/": "user or password",
    "http://127.0.0.1:80#@evil.example/": "fragment",
    "http://evil.example\\@127.0.0.1/": "backslash",
    "http:\\\\127.0.0.1\\": "backslash",
    "http://127.0.0.1\t.evil.example/": "whitespace",
    "http://127.0.0.1 .evil.example/": "whitespace",
    "\nhttp://127.0.0.1/": "whitespace",
    "http://127.0.0.1\r\nX: y/": "whitespace",
    "http://127.0.0.1/\x00": "control characters",
    "http://127.0.0.1\x7f/": "control characters",
    "http://[fe80::1%25eth0]/": "zone id",
    "http://[::1%lo]/": "zone id",
    "http://localhost./": "ends in a dot",
    "http://127.0.0.1./": "ends in a dot",
    "http://127.1/": "usual form",
    "http://2130706433/": "usual form",
    "http://0x7f000001/": "usual form",
    "http://0x7f.0.0.1/": "usual form",
    "http://0177.0.0.1/": "usual form",
    "http://127.0.0.0x1/": "usual form",
    "http://127.000.000.001/": "usual form",
    "http://1.2.3.4.5/": "usual form",
    "http://0/": "usual form",
    "http://１２７.０.０.１/": "not ASCII",
    "http://ｌｏｃａｌｈｏｓｔ/": "not ASCII",
    "http://127。0。0。1/": "not ASCII",
    "http://loc\u00adalhost/": "not ASCII",
    "http://%6c%6fcalhost/": "escaped host",
    "http://127.0.0.1%2f@evil/": "user or password",
    "http://[::ffff:127.0.0.1]/": "wraps an IPv4",
    "http://[::ffff:7f00:1]/": "wraps an IPv4",
    "http://[0:0:0:0:0:0:0:1]/": "shortest form",
    "http://[::1/": "host and port",
    "http://::1/": "host and port",
    "http://localhost:8000:9000/": "host and port",
    "http://localhost:0/": "port",
    "http://localhost:65536/": "port",
    "http://localhost:08000/": "port",
    "http://localhost:8e3/": "host and port",
    "http://localhost:٨٠/": "not ASCII",
    "http://a..b/": "host name",
    "http://-a.example/": "host name",
    "http://a_/": None,
    "http:///path": "no host",
    "http:127.0.0.1/": "no http or https",
    "//127.0.0.1/": "no http or https",
    "127.0.0.1:8000": "no http or https",
    "file:///etc/passwd": "no http or https",
    "gopher://127.0.0.1/": "no http or https",
    "javascript:alert(1)": "no http or https",
    "http://" + "a" * 254 + "/": "host name",
    "http://127.0.0.1/" + "a" * 3000: "longer than",
    "http://127.0.0.1/%zz": "escaping",
    'http://127.0.0.1/"': "escaping",
    "": "no http or https",
}


@pytest.mark.parametrize(("url", "problem"), [(u, p) for u, p in HOSTILE.items() if p])
def test_a_hostile_address_is_refused_by_name(url, problem):
    with pytest.raises(AddressRefused, match=problem) as caught:
        parse_url(url)
    error = caught.value
    assert error.hint
    assert error.exit_code == 2
    assert "hunter2" not in str(error)
    assert str(error).isprintable()
    assert str(error).isascii()
    assert len(str(error)) < 300


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://127.0.0.1:8000", "http://127.0.0.1:8000/"),
        ("HTTPS://Search.Example/v1/?a=b%20c", "https://search.example:443/v1/?a=b%20c"),
        ("http://[::1]:6333/x", "http://[::1]:6333/x"),
        ("http://opensearch_1:9200", "http://opensearch_1:9200/"),
        ("http://xn--bcher-kva.example", "http://xn--bcher-kva.example:80/"),
    ],
)
def test_a_plain_address_is_read(url, expected):
    assert str(parse_url(url)) == expected


@given(st.text(max_size=60))
def test_whatever_is_accepted_is_read_alike_by_the_standard_library(text):
    from urllib.parse import urlsplit

    try:
        url = parse_url("http://" + text)
    except AddressRefused:
        return
    other = urlsplit("http://" + text)
    assert (other.hostname, other.port or 80) == (url.origin.host, url.origin.port)
    assert other.username is None


@given(st.text(max_size=40))
def test_a_host_is_read_or_refused_and_reads_the_same_again(text):
    try:
        host, port = parse_host_port(text)
    except AddressRefused:
        return
    again = Origin("http", host, port or 80).authority
    assert parse_host_port(again) == (host, port or 80)


LISTED = Policy({}, ["https://search.example:443", "db.example:9200"])


@pytest.mark.parametrize(
    "origin",
    [
        Origin("http", "127.0.0.1", 1),
        Origin("https", "localhost", 65535),
        Origin("http", "::1", 8000),
        Origin("https", "search.example", 443),
        Origin("http", "db.example", 9200),
        Origin("https", "db.example", 9200),
    ],
)
def test_loopback_and_what_is_listed_may_be_asked(origin):
    assert LISTED.route(origin).dialled == origin


@pytest.mark.parametrize(
    "origin",
    [
        Origin("http", "search.example", 443),
        Origin("https", "search.example", 8443),
        Origin("https", "www.search.example", 443),
        Origin("https", "search.example.evil", 443),
        Origin("http", "db.example", 9201),
        Origin("http", "127.0.0.2", 80),
        Origin("http", "0.0.0.0", 80),  # noqa: S104 - refused, which is the point
        Origin("http", "169.254.169.254", 80),
    ],
)
def test_whatever_is_not_listed_to_the_letter_is_refused(origin):
    with pytest.raises(AddressRefused, match="not on the list") as caught:
        LISTED.route(origin)
    assert str(origin) in caught.value.hint


def test_an_alias_decides_what_must_be_listed():
    policy = Policy({"andy-wsl": "127.0.0.1", "a:80": "b:81", "Shop": "10.0.0.7"}, ["10.0.0.7:9200"])
    assert str(policy.route(Origin("http", "andy-wsl", 8000)).dialled) == "http://127.0.0.1:8000"
    assert str(policy.route(Origin("http", "shop", 9200)).dialled) == "http://10.0.0.7:9200"
    assert policy.route(Origin("http", "andy-wsl", 8000)).aliased
    with pytest.raises(AddressRefused, match="http://a:80, which stands for http://b:81,"):
        policy.route(Origin("http", "a", 80))


def test_aliases_do_not_chain_and_cannot_smuggle_a_listed_name():
    policy = Policy(
        {"one": "two", "two": "127.0.0.1", "good.example": "evil.example"}, ["good.example:80"]
    )
    for host in ("one", "good.example"):
        with pytest.raises(AddressRefused, match="which stands for"):
            policy.route(Origin("http", host, 80))


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ("search.example", "names no port"),
        ("https://search.example", "names no port"),
        ("*.example:443", "no wildcards"),
        ("ftp://search.example:21", "unknown scheme"),
        ("search.example:443/path", "host and port|no readable"),
        ("127.1:80", "usual form"),
        ("a@b:80", "host name"),
    ],
)
def test_a_list_entry_that_is_not_exact_is_refused(entry, problem):
    with pytest.raises(AddressRefused) as caught:
        parse_allowed(entry)
    assert pytest.raises(AddressRefused, match=problem) or caught
    assert caught.value.hint


def test_an_alias_with_a_port_on_one_side_is_refused():
    with pytest.raises(AddressRefused, match="one side"):
        parse_alias("andy:8000", "127.0.0.1")


@pytest.mark.parametrize("target", ["/..", "/a/../b", "/a/%2e%2E/b?x=1", "/./a", "/.%2e/", "/a/.."])
def test_a_path_has_one_form_too(target):
    with pytest.raises(AddressRefused, match="part of its path"):
        parse_url(f"http://127.0.0.1:8000{target}")
    assert parse_url("http://127.0.0.1/a..b/.c/...?d=/../e").target == "/a..b/.c/...?d=/../e"


@pytest.mark.parametrize(
    ("entry", "told"),
    [
        ("http://user:secret@evil.example:80", "holds a user or password"),
        ("evil.example:08411", "without zeros"),
        ("http://evil.example", "evil.example:80"),
        ("https://evil.example", "evil.example:443"),
    ],
)
def test_an_entry_that_cannot_be_read_says_why(entry, told):
    with pytest.raises(AddressRefused) as caught:
        parse_allowed(entry)
    assert told in f"{caught.value.message} {caught.value.hint}"
    assert "secret" not in caught.value.message


def test_names_that_differ_in_case_alone_are_one():
    with pytest.raises(AddressRefused, match="has an alias already"):
        Policy({"A": "127.0.0.1", "a": "127.0.0.2"}, ())
    with pytest.raises(ValueError, match="stands twice"):
        check_headers({"X-A": "${env:A}", "x-a": "${env:B}"})
