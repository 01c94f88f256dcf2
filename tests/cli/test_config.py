"""`orchestra config`: defaults < runner's defaults < file < environment < --set."""

import pytest
import yaml

STUB = ("--plugins", "stub_target")
FILE = "seed: 2\nname: from-file\nlimits: {wall: 60s}\nstages: {grid: {sample: 15}}\n"


@pytest.fixture
def layered(folder, monkeypatch):
    """Each layer says one thing more, and contradicts the one below."""
    (folder / "orchestra.yaml").write_text(FILE, encoding="utf-8")
    monkeypatch.setenv("ORCHESTRA_SEED", "3")
    monkeypatch.setenv("ORCHESTRA_LIMITS__REQUESTS", "9000")
    return ("--set", "seed=4", "--set", "stages.grid.delta=0.1")


def test_each_layer_wins_over_the_one_below(orchestra, layered):
    shown = orchestra("config", "show", "--json", *STUB, *layered).json
    assert shown["seed"] == 4
    assert shown["limits"] == {
        "wall": 60.0, "stage": None, "requests": 9000, "cost_usd": 5.0, "configurations": 5000
    }  # fmt: skip
    assert shown["name"] == "from-file"
    assert shown["stages"]["grid"]["sample"] == 15
    assert shown["stages"]["grid"]["delta"] == 0.1
    assert shown["stages"]["grid"]["budget"] == 1.0  # the runner's own default
    assert shown["concurrency"] == 4  # the core's own default


def test_the_variable_wins_over_the_file_and_set_over_the_variable(orchestra, layered):
    assert orchestra("config", "show", "--json", *STUB).json["seed"] == 3
    assert orchestra("config", "show", "--json", *STUB, "--set", "seed=5").json["seed"] == 5


def test_later_assignments_win(orchestra):
    shown = orchestra("config", "show", "--json", *STUB, "--set", "seed=5", "--set", "seed=6").json
    assert shown["seed"] == 6


def test_another_file_can_be_named(orchestra, folder):
    (folder / "orchestra.yaml").write_text("seed: 1\n", encoding="utf-8")
    (folder / "other.yaml").write_text("seed: 8\n", encoding="utf-8")
    assert orchestra("config", "show", "--json", *STUB, "-f", "other.yaml").json["seed"] == 8


def test_what_is_shown_can_be_read_again(orchestra, folder):
    shown = orchestra("config", "show", *STUB, "--set", "seed=9")
    (folder / "shown.yaml").write_text(shown.out, encoding="utf-8")
    assert yaml.safe_load(shown.out)["seed"] == 9
    again = orchestra("config", "show", *STUB, "-f", "shown.yaml")
    assert again.out == shown.out


def test_a_plugin_s_settings_are_shown_complete(orchestra):
    shown = orchestra("config", "show", "--json", "--set", "plugins.reporters.top_n_failures=3").json
    assert shown["plugins"]["reporters"]["top_n_failures"] == 3
    assert set(shown["plugins"]) == {"fiqa", "reflection_rules", "reporters"}
    assert "plots" in shown["plugins"]["reporters"]


def test_the_schema_describes_every_key_and_every_plugin(orchestra):
    schema = orchestra("config", "schema").json
    assert schema["additionalProperties"] is False
    assert {"name", "dataset", "runner", "space", "stages", "limits"} <= set(schema["properties"])
    assert set(schema["properties"]["plugins"]["properties"]) == {
        "fiqa", "reflection_rules", "reporters"
    }  # fmt: skip


def test_the_schema_leaves_out_what_is_switched_off(orchestra):
    schema = orchestra("config", "schema", "--plugins", "no:reporters").json
    assert "reporters" not in schema["properties"]["plugins"]["properties"]


def test_check_counts(orchestra):
    told = orchestra("config", "check", *STUB)
    counts = orchestra("config", "check", "--json", *STUB).json
    assert counts["ok"] is True
    assert told.out == (
        f"The experiment is valid: 3 configurations, at most {counts['requests']:,} requests.\n"
    )


def test_check_finds_what_only_a_plan_shows(orchestra):
    assert orchestra("config", "show", *STUB, "--set", "stages.ab.sample=5000").code == 0
    assert orchestra("config", "check", *STUB, "--set", "stages.ab.sample=5000").code == 2
