"""Secrets come from the environment and are written down nowhere."""

import base64
import html
import json
import re
from urllib.parse import quote, quote_plus, unquote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from pydantic import ValidationError

from orchestra_core.errors import ExperimentError
from orchestra_core.experiment import Experiment
from orchestra_core.outbound.secrets import Secrets

from .conftest import in_turn, reply
from .test_door import ASK, failure

TOKEN = 'tok"en\\with-odd characters'  # noqa: S105
HEADERS = {"Authorization": "Bearer ${env:SEARCH_TOKEN}", "X-Tenant": "${env:TENANT}/${env:SHOP}"}
ENVIRON = {"SEARCH_TOKEN": TOKEN, "TENANT": "acme-1234", "SHOP": "7"}


def test_headers_are_filled_and_sent_and_never_shown(serve, opened):
    server = serve()
    door = opened(server.url, headers=HEADERS, environ=ENVIRON)
    door.send(**ASK)
    assert server.asked[0].headers["Authorization"] == f"Bearer {TOKEN}"
    assert server.asked[0].headers["X-Tenant"] == "acme-1234/7"
    for shown in (repr(door), repr(door.secrets), repr(vars(door)), str(door.manners)):
        assert TOKEN not in shown
        assert "acme-1234" not in shown


def test_a_target_that_echoes_a_token_spreads_it_nowhere(serve, opened, journal):
    echo = json.dumps({"you sent": TOKEN, "plain": "acme-1234"}).encode()
    server = serve(in_turn(reply(503, echo), reply(401, echo), reply(200, echo)))
    door = opened(server.url, headers=HEADERS, environ=ENVIRON)
    error = failure(door)
    answer = door.send(**ASK)
    told = str(door.redact_json(answer.json()))
    seen = [str(error), str(error.as_payload()), repr(answer), told, str(journal.events)]
    for text in seen:
        assert "tok" not in text.replace("[redacted]", "")
        assert "acme-1234" not in text
    assert "[redacted]" in str(error)
    assert "[redacted]" in told


def test_a_good_answer_is_read_as_it_was_sent(serve, opened):
    """A header's value may well be a part of ids and figures."""
    body = {"items": [{"doc_id": "prod-17"}, {"doc_id": "2024-11"}], "n": 12024.5}
    headers = {"X-Tenant": "${env:TENANT}", "X-Api-Version": "${env:API}"}
    door = opened(
        serve(reply(body=json.dumps(body).encode())).url,
        headers=headers,
        environ={"TENANT": "prod", "API": "2024"},
    )
    assert door.send(**ASK).json() == body


LONG = "sk-abc/def+ghi=jkl.mno-pqr_stu~vwx&yz0<123>456'789\"ABC\\DEF GHI"
KEY = {"headers": {"Authorization": "Bearer ${env:KEY}"}, "environ": {"KEY": LONG}}


def no_part_of_it_in(text, secret=LONG):
    """No six characters of a secret in a row."""
    return not [part for i in range(len(secret) - 5) if (part := secret[i : i + 6]) in text]


@pytest.mark.parametrize("before", range(130, 210, 7))
def test_a_token_is_taken_out_before_an_error_is_cut(serve, opened, before):
    server = serve(reply(401, ("x" * before + LONG + "tail").encode()))
    error = failure(opened(server.url, **KEY))
    assert no_part_of_it_in(str(error.as_payload()))


@pytest.mark.parametrize("before", [1_900, 1_960, 1_999])
def test_a_token_at_the_end_of_what_is_read_of_an_error_is_taken_out(serve, opened, before):
    server = serve(reply(401, b" " * before + LONG.encode() + b" and more"))
    error = failure(opened(server.url, **KEY))
    assert no_part_of_it_in(str(error))
    assert "[redacted]" in str(error)


@pytest.mark.parametrize("before", range(60, 130, 7))
def test_a_token_in_a_redirect_is_taken_out_before_it_is_cut(serve, opened, before):
    where = "http://evil.example/" + "p" * before + "?token=" + quote(LONG)
    error = failure(opened(serve(reply(307, b"", Location=where)).url, **KEY))
    assert error.reason == "redirect"
    assert no_part_of_it_in(unquote(str(error)))
    odd = "http://evil.example." + "/" + "p" * before + LONG.replace(" ", "")
    secret = {"headers": KEY["headers"], "environ": {"KEY": LONG.replace(" ", "")}}
    error = failure(opened(serve(reply(307, b"", Location=odd)).url, **secret))
    assert no_part_of_it_in(str(error).replace("\\", ""), LONG.replace("\\", ""))


def test_a_token_in_an_encoding_s_name_is_taken_out(serve, opened):
    error = failure(opened(serve(reply(Content_Encoding="x" * 20 + LONG)).url, **KEY))
    assert error.reason == "encoding"
    assert no_part_of_it_in(str(error).lower(), LONG.lower())


FORMS = {
    "plain": lambda text: text,
    "json": lambda text: json.dumps(text)[1:-1],
    "json twice": lambda text: json.dumps(json.dumps(text))[3:-3],
    "json with \\/": lambda text: json.dumps(text)[1:-1].replace("/", "\\/"),
    "json for html": lambda text: re.sub("[<>&='+/]", lambda m: f"\\u{ord(m[0]):04x}", text).replace(
        '"', '\\"'
    ),
    "json in capitals": lambda text: re.sub("[<>&='+/]", lambda m: f"\\u{ord(m[0]):04X}", text),
    "url": quote,
    "url, all": lambda text: quote(text, safe=""),
    "form": quote_plus,
    "html": html.escape,
    "repr": lambda text: repr(text)[1:-1],
    "in capitals": str.upper,
    "url, every character": lambda text: "".join(f"%{ord(one):02X}" for one in text),
    "hexadecimal": lambda text: text.encode().hex(),
    "hexadecimal in capitals": lambda text: text.encode().hex().upper(),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64 in json": lambda text: base64.b64encode(text.encode()).decode().replace("/", "\\/"),
    "base64 in a url": lambda text: quote(base64.b64encode(text.encode()).decode(), safe=""),
}


@pytest.mark.parametrize("form", FORMS)
@given(secret=st.text(st.sampled_from("aZ09-._~+/=&<>\"'\\ ?#%{}[]()|^$*"), min_size=6, max_size=40))
def test_a_value_is_known_however_it_is_escaped(form, secret):
    secret = secret.strip()
    assume(len(secret) >= 6)
    secrets = Secrets({"X": "${env:A}"}, {"A": secret})
    assert secrets.redact(f"é {FORMS[form](secret)} ü") == "é [redacted] ü"
    assert secrets.redact_json({secret: [secret]}) == {"[redacted]": ["[redacted]"]}


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@given(
    secret=st.lists(st.sampled_from("aZ09-._~+/=&?>"), min_size=6, unique=True).map("".join),
    before=st.text("\0: é", max_size=8).map(str.encode),
    after=st.text("\0: é", max_size=8).map(str.encode),
)
def test_a_value_is_known_within_a_longer_text_in_base64(encode, secret, before, after):
    """Such as `user:token`. What is left of it tells a few bits of its first and last character."""
    text = encode(before + secret.encode() + after).decode()
    shown = Secrets({"X": "${env:A}"}, {"A": secret}).redact(text)
    head, hidden, tail = shown.partition("[redacted]")
    assert hidden
    assert 6 * len(head) < 8 * len(before) + 6
    assert 6 * len(tail.rstrip("=")) < 8 * len(after) + 6 + 6, "with the last character's own padding"


@given(
    text=st.text(st.sampled_from("ab\\"), max_size=60),
    secret=st.text(st.sampled_from("ab\\"), min_size=4, max_size=8),
    most=st.integers(0, 60),
)
def test_a_beginning_never_ends_within_a_value(text, secret, most):
    secrets = Secrets({"X": "${env:A}"}, {"A": secret})
    beginning = secrets.beginning(text, most)
    assert secrets.redact(text).startswith(beginning)
    assert secret not in beginning


def test_short_values_are_no_secrets():
    secrets = Secrets({"X": "${env:A}"}, {"A": "7"})
    assert secrets.redact("7 of 70") == "7 of 70"
    assert Secrets({}, {}).redact_json({"a": ["b", 1, None, 2.5, True]}) == {
        "a": ["b", 1, None, 2.5, True]
    }


@pytest.mark.parametrize("value", ["", "  ", "a\nb: c", "ümlaut", "a\x00b"])
def test_a_value_that_cannot_stand_in_a_header_is_refused_unseen(value):
    with pytest.raises(ExperimentError) as caught:
        Secrets({"X-Key": "${env:KEY}"}, {"KEY": value})
    assert "KEY" in str(caught.value)
    assert "ümlaut" not in str(caught.value)


@pytest.mark.parametrize(
    ("headers", "problem"),
    [
        ({"Authorization": "Bearer s3cr3t-literal"}, "environment variable"),
        ({"Authorization": "Bearer $SEARCH_TOKEN"}, "environment variable"),
        ({"Host": "${env:X}"}, "set by Orchestra"),
        ({"content-length": "${env:X}"}, "set by Orchestra"),
        ({"X Y": "${env:X}"}, "no name of a header"),
        ({"X": "${env:X}\r\nY: z"}, "characters"),
    ],
)
def test_headers_of_an_experiment_name_variables_and_nothing_else(headers, problem):
    with pytest.raises(ValidationError, match=problem) as caught:
        Experiment.model_validate({"space": {"a": (1,)}, "runner": {"headers": headers}})
    assert "s3cr3t-literal" not in caught.value.errors(include_input=False)[0]["msg"]
