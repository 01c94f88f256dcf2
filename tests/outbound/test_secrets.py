"""Secrets come from the environment and are written down nowhere."""

import pytest
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
    import json

    echo = json.dumps({"you sent": TOKEN, "plain": "acme-1234"}).encode()
    server = serve(in_turn(reply(503, echo), reply(401, echo), reply(200, echo)))
    door = opened(server.url, headers=HEADERS, environ=ENVIRON)
    error = failure(door)
    answer = door.send(**ASK)
    seen = [str(error), str(error.as_payload()), repr(answer), str(answer.json()), str(journal.events)]
    for text in seen:
        assert "tok" not in text.replace("[redacted]", "")
        assert "acme-1234" not in text
    assert "[redacted]" in str(error)
    assert answer.json()["plain"] == "[redacted]"


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
