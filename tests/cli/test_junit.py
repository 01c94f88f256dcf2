"""`orchestra run --junit`: failures, errors and what was skipped, as build servers read them."""

from xml.etree import ElementTree

import pytest

WORDS = ("run", "--plugins", "stub_target,no:reporters", "--quiet", "--junit", "out/junit.xml")


@pytest.fixture
def suite(orchestra, folder):
    def run(*words, code):
        result = orchestra(*WORDS, *words)
        assert result.code == code, result.text
        (found,) = ElementTree.parse(folder / "out" / "junit.xml").getroot()  # noqa: S314 - our own
        return found

    return run


def told(suite):
    """Test case → (element, type) of its problem, or None."""
    return {
        case.get("name"): (case[0].tag, case[0].get("type")) if len(case) else None
        for case in suite.iter("testcase")
    }


def counts(suite):
    return tuple(int(suite.get(name)) for name in ("tests", "failures", "errors", "skipped"))


def test_a_win(suite):
    found = suite(code=0)
    stages = ["smoke", "grid", "ab", "select", "publish", "verdict"]
    assert told(found) == dict.fromkeys(stages)
    assert counts(found) == (6, 0, 0, 0)
    properties = {p.get("name"): p.get("value") for p in found.find("properties")}
    assert properties["run_id"].startswith("stub-")
    assert len(properties["plan_hash"]) == 64


def told_of(suite, *words, code):
    return told(suite(*words, code=code))


def test_a_regression_is_a_failure(suite):
    words = ("--set", "baseline.quality=0.95", "--set", "space.quality=[0.2]")
    found = suite(*words, code=1)
    assert told(found)["verdict"] == ("failure", "regression")
    assert counts(found) == (6, 1, 0, 0)


def test_an_inconclusive_verdict_is_skipped(suite):
    words = ("--set", "space={delay: [0.5]}", "--set", "baseline.quality=0.3")
    found = suite(*words, code=4)
    assert told(found)["verdict"] == ("skipped", "inconclusive")


def test_a_denied_plan_is_a_failure(suite):
    found = told_of(suite, "--set", "limits.requests=10", code=1)
    assert found["verdict"] == ("failure", "denied")
    assert found["smoke"] == ("skipped", None)


def test_an_exhausted_budget_is_an_error(suite, write_plugin):
    write_plugin("sleeper", "import time\nfrom orchestra_core import hookimpl\n@hookimpl\n"
                 "def orchestra_event(event):\n    time.sleep(0.05)\n")  # fmt: skip
    found = suite("--plugins", "sleeper", "--set", "limits.wall=0.1", code=3)
    assert ("error", "budget") in told(found).values()
    assert told(found)["verdict"] == ("skipped", None)
    assert counts(found)[1:3] == (0, 1)
    assert ". Hint: " in found.find(".//error").get("message")


def test_a_stage_that_was_interrupted_is_the_one_error(suite, write_plugin):
    write_plugin("ctrl_c", "from orchestra_core import hookimpl\n@hookimpl\n"
                 "def orchestra_reflect(evidence):\n"
                 "    if evidence.stage == 'grid':\n        raise KeyboardInterrupt\n")  # fmt: skip
    found = suite("--plugins", "ctrl_c", code=130)
    assert told(found)["smoke"] is None
    assert told(found)["grid"] == ("error", "cancelled")
    assert told(found)["ab"] == told(found)["verdict"] == ("skipped", None)
    assert counts(found)[1:3] == (0, 1)


def test_a_target_that_is_not_well_is_one_error(suite, monkeypatch):
    import stub_target

    monkeypatch.setattr(stub_target.RUNNER.target, "healthy", False)
    found = suite(code=3)
    assert counts(found)[1:3] == (0, 1)
    assert found.find(".//error").get("message").startswith("the health check failed: ")


def test_a_guard_that_denies_the_winner(suite, write_plugin):
    source = """
from orchestra_core import Ruling, hookimpl
@hookimpl
def orchestra_guard(evidence):
    kind = "deny" if evidence.point == "publish" else "allow"
    return Ruling(kind=kind, rule="freeze", reason="no \\x01 <changes> & \\"such\\"")
"""
    write_plugin("freeze", source)
    found = suite("--plugins", "freeze", code=1)
    assert told(found)["publish"] == ("failure", "denied")
    message = found.find("testcase[@name='publish']/failure").get("message")
    assert 'no \ufffd <changes> & "such"' in message


def test_a_run_that_cannot_begin_is_an_error(suite):
    found = suite("--set", "nope=1", code=2)
    assert told(found) == {"run": ("error", "experiment")}
    assert counts(found) == (1, 0, 1, 0)


def test_a_file_that_cannot_be_written(orchestra, folder):
    (folder / "out").write_text("in the way")
    result = orchestra(*WORDS)
    assert result.code == 3
    assert "Published" in result.out
    assert "cannot write" in result.err
