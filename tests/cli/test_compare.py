"""`orchestra compare`: pairs on common queries, refusals, exit codes."""

import json

import pytest

from orchestra_core.fingerprints import with_measured
from orchestra_core.journal.events import Event, parse_line

WORDS = ("--plugins", "stub_target")


@pytest.fixture
def runs(finished):
    home, second = finished
    (first,) = [p.stem for p in (home / "reports" / "events").glob("first-*.jsonl")]
    return first, second


def change_start(home, run_id, change):
    """Rewrite what RUN_STARTED and the first HEALTH_OK say of what was measured, as RUN_STARTED's."""
    path = home / "reports" / "events" / f"{run_id}.jsonl"
    head, rest = path.read_bytes().split(b"\n", 1)
    event = parse_line(head)
    healthy = next(e for e in map(parse_line, rest.splitlines()) if e.event_type == "HEALTH_OK")
    payload = json.loads(json.dumps(with_measured(event.payload, healthy.payload)))
    change(payload["fingerprint"])
    line = Event(event.seq, event.run_id, event.event_type, payload, event.created_at).to_line()
    path.write_bytes(line + rest)


def test_a_win_of_one_configuration_over_another(orchestra, runs):
    configs = ("--config", "q0p3", "--config", "q0p9")
    result = orchestra("compare", *runs, *WORDS, *configs)
    assert result.code == 0, result.text
    assert "40 common queries of 40 and 40, from the stage ab" in result.out
    assert "Verdict: WIN" in result.out
    assert "30 won, 10 tied, 0 lost" in result.out
    again = orchestra("compare", *runs, *WORDS, *reversed_configs(configs), "--json")
    assert again.code == 1
    assert again.json["verdict"]["kind"] == "regression"
    assert (again.json["common"], again.json["asked"]) == (40, [40, 40])


def reversed_configs(configs):
    return ("--config", configs[3], "--config", configs[1])


def test_winners_are_compared_unless_told(orchestra, runs):
    found = orchestra("compare", *runs, *WORDS, "--json")
    assert found.code == 0
    verdict = found.json["verdict"]
    assert verdict["kind"] == "no_difference"
    assert verdict["reason"] == "one configuration, which gave the same rankings in both runs"
    assert (verdict["baseline"], verdict["challenger"]) == ("q0p9", "q0p9")
    assert (verdict["wins"], verdict["ties"], verdict["losses"]) == (0, 40, 0)


def test_only_common_queries_count(orchestra, runs):
    words = ("run", *WORDS, "--set", "stages.ab.sample=25", "--set", "seed=7", "--json")
    other = orchestra(*words).json["run_id"]
    found = orchestra("compare", runs[0], other, *WORDS, "--json").json
    first, second = found["asked"]
    assert 0 < found["common"] < min(first, second)
    assert found["verdict"]["queries"] == found["common"]


def test_another_objective_is_noted(orchestra, runs):
    words = ("run", *WORDS, "--set", "objective.maximize=ndcg@10", "--json")
    other = orchestra(*words).json["run_id"]
    told = "run B maximised ndcg@10; both are judged by recall@10, the objective of run A"
    assert f"Note: {told}" in orchestra("compare", runs[0], other, *WORDS).out
    assert "maximised" not in orchestra("compare", *runs, *WORDS).out


def test_a_configuration_of_the_grid(orchestra, runs):
    found = orchestra("compare", *runs, *WORDS, "--config", "q0p5", "--json")
    assert found.json["stage"] == "grid"


@pytest.mark.parametrize("configs", [("q0p5", "q0p9"), ("q0p9", "q0p5")])
def test_nothing_is_claimed_for_a_leader_on_the_queries_it_was_chosen_by(orchestra, runs, configs):
    words = [word for config_id in configs for word in ("--config", config_id)]
    result = orchestra("compare", *runs, *WORDS, *words, "--json")
    verdict = result.json["verdict"]
    assert (result.code, result.json["stage"], verdict["kind"]) == (4, "grid", "inconclusive")
    doubts = ("these queries are those it was chosen by", "too few for p95_ms")
    assert any(doubt in verdict["reason"] for doubt in doubts)
    assert any("tuning queries" in warning for warning in verdict["warnings"])
    assert "all looks" not in verdict["test"]
    assert "A B B A" not in verdict["test"]


def test_others_are_judged_with_a_warning(orchestra, runs):
    words = ("--config", "q0p3", "--config", "q0p5")
    verdict = orchestra("compare", *runs, *WORDS, *words, "--json").json["verdict"]
    assert "chosen by" not in verdict["reason"]
    assert any("tuning queries" in warning for warning in verdict["warnings"])


def test_confirmation_queries_need_no_such_warning(orchestra, runs):
    found = orchestra("compare", *runs, *WORDS, "--json").json
    assert found["stage"] == "ab"
    assert not [w for w in found["verdict"]["warnings"] if "tuning" in w]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda p: p["dataset"].update(qrels="0" * 64), "dataset qrels: "),
        (lambda p: p["dataset"].update(corpus="0" * 64), "dataset corpus: "),
        (lambda p: p["indexes"].update(stub="0" * 64), "index 'stub': "),
        (lambda p: p.update(documents=201), "documents: 200 and 201"),
    ],
    ids=["qrels", "corpus", "index", "documents"],
)
def test_runs_on_other_data_are_refused(orchestra, finished, runs, change, told):
    change_start(finished[0], runs[1], change)
    result = orchestra("compare", *runs, *WORDS)
    assert result.code == 2
    assert "the runs measured different things" in result.err
    assert told in result.err


def test_other_versions_may_be_compared(orchestra, finished, runs):
    change_start(finished[0], runs[1], lambda p: p.update(target="stub 2", versions={"x": "2"}))
    assert orchestra("compare", *runs, *WORDS, "--config", "q0p9").code == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--config", "q0p8"), "did not ask configuration 'q0p8'"),
        (("--config", "a", "--config", "b", "--config", "c"), "at most twice"),
    ],
)
def test_wrong_configurations(orchestra, runs, words, told):
    result = orchestra("compare", *runs, *WORDS, *words)
    assert result.code == 2
    assert told in result.err
