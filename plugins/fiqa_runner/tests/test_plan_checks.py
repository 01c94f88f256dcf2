"""What can be known of a backend without asking anybody is told by `config check` and `plan`."""

import json
import re
from pathlib import Path

import pytest

from orchestra_core.cli.main import run
from orchestra_core.strict_yaml import parse

DOCS = Path(__file__).parents[3] / "docs" / "live-targets.md"
HTTP = ("runner.backend=http", "runner.base_url=http://127.0.0.1:9")


@pytest.fixture
def check(tmp_path, capsys, monkeypatch):
    """`check(assignment, …)` gives the exit code and what is on stderr; the home stays empty."""
    monkeypatch.chdir(tmp_path)

    def call(*assignments, command=("config", "check")):
        sets = [f"--set={one}" for one in assignments]
        code = run([*command, "--plugins", "fiqa", *sets])
        assert list(tmp_path.iterdir()) == []
        return code, capsys.readouterr().err

    return call


def mapping(**changes):
    return "plugins.fiqa.mapping=" + json.dumps({"preset": "orchestra", **changes})


@pytest.mark.parametrize("command", [("config", "check"), ("plan",), ("run",)])
@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"body": {"question": "${questio}"}}, "speaks of 'questio'"),
        ({"body": {"question": "${question|upper}"}}, "'${question|upper}' cannot be read"),
        ({"body": {"question": "fixed"}}, "never sends the question"),
        ({"constants": {"model": None}, "body": {"x": "${model}"}}, "needs the constant 'model'"),
        ({"ignores": {"mmr": "off"}, "others": "refuse", "parameters": {"alpha": None}}, "expected"),
    ],
)
def test_a_mapping_that_cannot_be_sent(check, command, changes, problem):
    code, told = check(*HTTP, mapping(**changes), command=command)
    assert code == 2
    assert problem.lower() in told.lower()
    assert "Hint: " in told


def test_a_parameter_without_a_place(check):
    bare = {"path": "/s", "body": {"q": "${question}"}, "answer": {"items": "items", "id": "id"}}
    code, told = check(*HTTP, "plugins.fiqa.mapping=" + json.dumps(bare))
    assert (code, "does not send the parameter" in told) == (2, True)


def test_the_mapping_of_the_docs_suits_the_default_space(check):
    blocks = re.findall(
        r"```yaml\n(plugins:\n  fiqa:\n    mapping:\n      path:.*?)```", DOCS.read_text(), re.DOTALL
    )
    (block,) = blocks
    section = parse(block, "docs").value["plugins"]["fiqa"]["mapping"]
    assert check(*HTTP, "plugins.fiqa.mapping=" + json.dumps(section)) == (0, "")


def test_a_database_without_an_address_and_a_command_without_a_program(check, monkeypatch):
    monkeypatch.delenv("FIQA_PG_DSN", raising=False)
    code, told = check("runner.backend=pgvector")
    assert (code, "FIQA_PG_DSN is not set" in told) == (2, True)
    code, told = check("runner.backend=command")
    assert (code, "needs a program" in told) == (2, True)
