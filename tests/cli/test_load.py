"""`orchestra load`: the probe alone, at one load or in search of the highest rate."""

import itertools
import json
import signal
import subprocess
import threading
import time

import pytest

from orchestra_core import Answer
from orchestra_core.testing.stubs import OpenStub, StubTarget

from .conftest import SCRIPT, clean_environment

STUB = ("load", "--plugins", "stub_target", "--warmup", "2")
LATENCY = {"p50_ms", "p95_ms", "p99_ms"}


@pytest.fixture
def target(folder, monkeypatch):
    """What the stub's target is for one test: it really takes 10 ms, one request at a time."""
    import stub_target

    made = StubTarget(latency_ms=10.0, waits=True)
    monkeypatch.setattr(stub_target.RUNNER, "target", made)
    return made


def test_an_open_load_is_measured_at_its_rate(orchestra, target):
    result = orchestra(*STUB, "--rate", "40", "--duration", "1s", "--config", "q0p9", "--json")
    content = result.json
    (figures,) = content["loads"]
    assert (result.code, content["config_id"], content["interrupted"]) == (0, "q0p9", False)
    assert (figures["mode"], figures["rate"], figures["arrivals"]) == ("open", 40.0, "constant")
    assert (figures["requests"], figures["answered"], figures["errors"]) == (40, 40, {})
    assert 10 < figures["achieved_rate"] < 42  # a machine under load may come late, never early
    assert set(figures["latency"]) == LATENCY
    for estimate in figures["latency"].values():
        assert 9 < estimate["ci_low"] <= estimate["value"] <= estimate["ci_high"]


def test_an_overloaded_target_shows_its_queue_and_the_closed_loop_beside_it_does_not(orchestra, target):
    """100 per second is all it can do, 200 arrive: after a second the queue is half a second long."""
    words = ("--rate", "200", "--duration", "1", "--compare-closed", "--json")
    opened, closed = orchestra(*STUB, *words).json["loads"]
    assert (opened["mode"], closed["mode"], closed["concurrency"]) == ("open", "closed", 1)
    assert opened["latency"]["p95_ms"]["value"] > 300
    assert 2 * closed["latency"]["p95_ms"]["value"] < opened["latency"]["p95_ms"]["value"]
    assert opened["achieved_rate"] < 110


def test_people_see_figures_with_intervals_rates_and_errors(orchestra, target):
    target.failing = lambda _config, query: query.endswith("3")
    told = orchestra(*STUB, "--rate", "100", "--duration", "0.5s", "--arrivals", "poisson").out
    assert "q0p3 on stub" in told  # the baseline
    assert "open, 100/s poisson" in told
    assert "stub_failure" in told
    assert " of 50 " in told
    assert "ms]" in told
    assert "99 of 100 requests were sent within" in told


def test_without_a_rate_clients_wait_for_their_answers(orchestra, target):
    import stub_target

    (figures,) = orchestra(*STUB, "--concurrency", "3", "--duration", "0.4s", "--json").json["loads"]
    assert (figures["mode"], figures["concurrency"], figures["rate"]) == ("closed", 3, None)
    assert 3 <= figures["requests"] < 60  # as many as fit into the time
    (load,) = stub_target.RUNNER.opened[-1].loads
    assert (load.mode, load.concurrency, load.warmup) == ("closed", 3, 2)


def test_a_target_that_answers_nothing_is_an_infrastructure_failure(orchestra, target):
    target.failing = lambda _config, _query: True
    result = orchestra(*STUB, "--rate", "50", "--duration", "0.2s", "--json")
    assert result.code == 3
    assert result.json["loads"][0]["errors"] == {"stub_failure": 10}
    assert result.json["loads"][0]["latency"] == {}


@pytest.fixture
def stalls(target, monkeypatch):
    """Two clients' requests take 10 ms each, all but those that `stalls` says, which wait.

    The first two are the warm-up's.
    """
    gate, asked = threading.Event(), itertools.count()

    def made(which, seconds=30.0):
        def wait(_self, _configuration, _query):
            if which(next(asked)):
                gate.wait(seconds)
            time.sleep(0.01)
            return Answer()

        monkeypatch.setattr(OpenStub, "_wait", wait)

    yield made
    gate.set()


CLOSED = (*STUB, "--concurrency", "2", "--duration", "0.5", "--json")


def test_a_closed_load_waits_for_the_slow_request_at_its_end(orchestra, stalls):
    """To leave out what is under way when the time is up would leave out the slowest."""
    stalls(lambda asked: asked == 2, seconds=1.5)
    (figures,) = orchestra(*CLOSED).json["loads"]
    assert figures["requests"] == figures["answered"]
    assert figures["latency"]["p99_ms"]["ci_high"] > 1400
    assert figures["seconds"] > 1.5


@pytest.mark.parametrize(
    ("words", "lost"), [(CLOSED, 1), ((*STUB, "--rate", "100", "--duration", "0.5", "--json"), 1)]
)
def test_what_is_never_answered_is_unfinished(orchestra, stalls, words, lost):
    stalls(lambda asked: asked == 2)
    began = time.monotonic()
    result = orchestra(*words, "--set", "runner.timeout_s=0.5")
    assert time.monotonic() - began < 25
    (figures,) = result.json["loads"]
    assert (result.code, figures["errors"]) == (0, {"unfinished": lost})
    assert figures["requests"] == figures["answered"] + lost


def test_a_target_that_never_answers_does_not_hang_the_command(orchestra, stalls):
    stalls(lambda asked: True)
    began = time.monotonic()
    for words in (CLOSED, (*STUB, "--warmup", "0", "--rate", "50", "--duration", "0.5", "--json")):
        result = orchestra(*words, "--set", "runner.timeout_s=0.5")
        assert result.code == 3
        assert result.json["loads"][0]["answered"] == 0
    assert result.json["loads"][0]["errors"] == {"unfinished": 25}
    assert time.monotonic() - began < 25


def test_the_highest_rate_is_found_and_leaves_its_curve(orchestra, target, folder, write_plugin):
    write_plugin(
        "drawer",
        "from orchestra_core import hookimpl\n"
        "@hookimpl\n"
        "def orchestra_load_report(request):\n"
        "    request.artifacts.write_text('rate.txt', f'{request.report.highest_rate:g}')\n",
    )
    words = ("--plugins", "drawer", "--find-max-qps", "--p95", "60", "--rate", "25", "--duration", "1")
    result = orchestra(*STUB, *words, "--json")
    content = result.json
    assert result.code == 0, result.text
    assert content["ended"] == "found"
    assert 0 < content["highest_rate"] < 125  # one request at a time, 10 ms each
    curve, *others = (folder / name for name in content.pop("artifacts"))
    assert json.loads(curve.read_text()) == content
    assert (curve.parent / "rate.txt") in others
    assert (curve.parent / "rate.txt").read_text() == f"{content['highest_rate']:g}"
    assert {step["mode"] for step in content["steps"]} == {"open"}
    assert result.err.count("/s: p95 ") == len(content["steps"])
    assert ", broken" in result.err


def test_no_rate_that_keeps_the_limit_is_exit_code_1(orchestra, target):
    words = ("--find-max-qps", "--p95", "5", "--rate", "100", "--duration", "0.2s", "--within", "1s")
    result = orchestra(*STUB, *words)
    assert result.code == 1
    assert "No rate that was tried kept p95 at or below 5 ms." in result.out
    assert "The time was up" in result.out


def test_a_search_ends_at_the_limits_of_the_experiment(orchestra, target):
    """The target answers at once, whatever the rate: only `limits.requests` ends the doubling."""
    target.latency_ms = 0.1
    words = ("--find-max-qps", "--p95", "500", "--duration", "1", "--set", "limits.requests=500")
    result = orchestra(*STUB, *words, "--json")
    assert result.json["ended"] == "limits"
    assert 150 < sum(step["requests"] for step in result.json["steps"]) <= 500


def test_the_limit_may_come_from_the_objective(orchestra, folder):
    words = ("--set", "objective.subject_to.p95_ms=80.0", "--find-max-qps", "--duration", "1", "--json")
    assert orchestra(*STUB, *words).json["limit_ms"] == 80.0


def test_a_rate_that_the_runner_would_hold_back_is_refused(orchestra, monkeypatch):
    import stub_target

    from orchestra_core import RunnerDescription

    described = RunnerDescription("stub", defaults=stub_target.RUNNER.defaults)
    monkeypatch.setattr(stub_target, "orchestra_describe_runner", _hook(lambda request: described))
    for words in (("--rate", "50"), ("--find-max-qps", "--p95", "100")):
        result = orchestra(*STUB, *words)
        assert result.code == 2
        assert "more than runner.rate_limit_per_sec = 4" in result.err
        assert "--set runner.rate_limit_per_sec=0" in result.err


def _hook(function):
    from orchestra_core import hookimpl

    return hookimpl(function)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--config", "q0p8"), "the space has no configuration 'q0p8'"),
        (("--rate", "0"), "'0' is no number above zero"),
        (("--rate", "inf"), "'inf' is no number above zero"),
        (("--duration", "soon"), "'soon' is no duration"),
        (("--compare-closed",), "--compare-closed goes with --rate"),
        (("--p95", "9"), "--p95 is the limit of --find-max-qps"),
        (("--find-max-qps",), "--find-max-qps needs a limit"),
        (("--duration", "²"), "'²' is no duration"),
        (("--duration", "inf"), "'inf' is no duration"),
        (("--find-max-qps", "--p95", "9", "--rate", "0.05"), "tries no rate below 0.1"),
        (("--find-max-qps", "--p95", "9", "--within", "5s"), "--within leaves no time"),
        (("--find-max-qps", "--p95", "9", "--rate", "9000"), "limits.requests leaves 20,000"),
        (("--within", "1m"), "--within is the time of --find-max-qps"),
        (("--arrivals", "poisson"), "--arrivals goes with --rate"),
        (("--rate", "9", "--concurrency", "2"), "--concurrency is of a closed load"),
        (("--find-max-qps", "--p95", "9", "--concurrency", "2"), "--concurrency is of a closed load"),
    ],
)
def test_wrong_usage(orchestra, words, message):
    result = orchestra(*STUB, *words)
    assert result.code == 2
    assert message in result.err


def test_ctrl_c_shows_what_is_done(folder, write_plugin):
    place = write_plugin(
        "slow_target",
        "import stub_target\nfrom stub_target import *\nstub_target.RUNNER.target.waits = True\n",
    )
    environment = clean_environment()
    environment["PYTHONPATH"] += f":{place}"
    words = [SCRIPT, "load", "--plugins", "slow_target", "--rate", "50", "--duration", "60s", "--json"]
    process = subprocess.Popen(
        words, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert "1 of 3,000 requests" in process.stderr.readline()
        time.sleep(0.5)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=30)
    finally:
        process.kill()
        process.communicate()
    assert process.returncode == 130, err
    content = json.loads(out)
    assert content["interrupted"] is True
    assert 2 <= content["loads"][0]["answered"] < 500


def test_an_unknown_configuration_lists_each_one_once(orchestra):
    words = ("load", "--plugins", "stub_target", "--config", "zzz", "--set", "baseline={quality: 0.3}")
    hint = orchestra(*words).err
    assert hint.count("q0p3") == 1
    assert "q0p9" in hint
