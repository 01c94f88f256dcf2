"""The core without plugins says what is missing and how to get it."""

import pytest

NOTHING = ("--plugins", "no:fiqa,no:reporters,no:reflection_rules")


@pytest.mark.parametrize("command", ["run", "plan"])
def test_the_missing_runner_is_named(command, script):
    result = script(command, *NOTHING)
    assert result.code == 2
    assert "no runner plugin" in result.err
    assert "pip install" in result.err
    assert "orchestra-fiqa-runner" in result.err
    assert script.files() == {}


@pytest.mark.parametrize("words", [("plugins", "list"), ("config", "schema")])
def test_what_needs_no_runner_works(words, script):
    result = script(*words, *NOTHING)
    assert result.code == 0, result.text


def test_with_a_runner_but_no_reporter_the_run_still_ends_well(script):
    words = ("--plugins", "stub_target", "--plugins", "no:fiqa,no:reporters,no:reflection_rules")
    result = script("run", "--json", *words)
    assert result.code == 0, result.text
    assert result.json["artifacts"] == []
    assert result.json["verdict"]["kind"] == "win"
    assert result.json["published"] is True
