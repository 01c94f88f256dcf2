"""`orchestra plan`: what a run would do, and nothing sent."""

import pytest

from orchestra_core.service.asking import PRESETS

KEYS = {
    "experiment", "dataset", "dataset_sha256", "queries", "baseline", "configurations", "tuning",
    "confirmation", "stages", "plan_hash", "requests", "estimated_seconds", "estimate_basis", "rulings",
}  # fmt: skip
STUB = ("--plugins", "stub_target")


def test_json_tells_the_whole_plan(orchestra):
    plan = orchestra("plan", "--json", *STUB).json
    assert set(plan) == KEYS
    assert [stage["name"] for stage in plan["stages"]] == ["smoke", "grid", "ab", "select", "publish"]
    assert [c["config_id"] for c in plan["configurations"]] == ["q0p3", "q0p5", "q0p9"]
    assert set(plan["tuning"]).isdisjoint(plan["confirmation"])
    assert plan["requests"] == sum(stage["requests"] for stage in plan["stages"])
    assert [ruling["kind"] for ruling in plan["rulings"]] == ["allow"]


def test_people_see_stages_configurations_and_cost(orchestra):
    plan = orchestra("plan", "--json", *STUB).json
    told = orchestra("plan", *STUB).out
    assert f"Plan {plan['plan_hash'][:12]} · stub" in told
    assert "stub: 120 labelled queries, 60 for tuning, 60 kept for confirmation" in told
    assert f"Baseline: {plan['baseline']['config_id']}" in told
    for configuration in plan["configurations"]:
        assert configuration["config_id"] in told
    assert f"At most {plan['requests']:,} requests; about" in told


def test_the_same_experiment_has_the_same_hash_and_another_seed_another(orchestra):
    def hash_with(*words: str) -> str:
        return orchestra("plan", "--json", *STUB, *words).json["plan_hash"]

    assert hash_with() == hash_with()
    assert hash_with() == hash_with("--set", "seed=20251107")
    assert hash_with() != hash_with("--set", "seed=7")


def test_a_plan_beyond_the_limits_says_what_denies_it(orchestra):
    result = orchestra("plan", *STUB, "--set", "limits.requests=10")
    assert "deny by core.limits_guard (requests): the plan may send" in result.out


def test_nothing_is_sent_and_nothing_is_written(orchestra, folder):
    import stub_target

    before = len(stub_target.RUNNER.calls)
    assert orchestra("plan", *STUB).code == 0
    assert len(stub_target.RUNNER.calls) == before
    assert list(folder.iterdir()) == []


def test_the_estimate_comes_from_the_last_run_here(orchestra, finished):
    assert orchestra("plan", "--json", *STUB).json["estimate_basis"] == "as the last run here"


def test_without_a_run_the_estimate_says_that_it_is_a_guess(orchestra):
    plan = orchestra("plan", "--json", *STUB).json
    assert plan["estimate_basis"] == "100 ms per request assumed"
    assert plan["estimated_seconds"] == pytest.approx(plan["requests"] * 0.1)


def test_fiqa_is_planned_without_a_file(orchestra):
    plan = orchestra("plan", "--json").json
    assert plan["dataset"] == "fiqa-mini"
    assert plan["baseline"]["config_id"] == "fiqa_para-k10-a0-mmroff"
    assert "fiqa_para-k10-a0p5-mmr0p3-ef64" in {c["config_id"] for c in plan["configurations"]}


@pytest.mark.parametrize("preset", PRESETS)
def test_the_built_in_experiment_allows_every_preset(orchestra, preset):
    """The service offers them for it."""
    sizes = [f"--set={'.'.join(path)}={value}" for path, value in PRESETS[preset].items()]
    assert "deny by" not in orchestra("plan", "--plugins", "fiqa", *sizes).text
    refused = orchestra("plan", "--plugins", "fiqa", *sizes, "--set", "limits.requests=9").text
    assert "deny by core.limits_guard" in refused
