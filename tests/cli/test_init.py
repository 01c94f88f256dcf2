"""`orchestra init`: a file that changes nothing until it is changed."""

import pytest

from orchestra_core.experiment import Experiment


@pytest.mark.parametrize("plugins", ["fiqa", "stub_target"])
def test_the_file_plans_the_same_as_no_file(plugins, orchestra, folder):
    words = ("config", "check", "--json", "--plugins", plugins)
    without = orchestra(*words)
    written = orchestra("init", "--plugins", plugins)
    assert written.code == 0, written.text
    assert (folder / "orchestra.yaml").is_file()
    assert orchestra(*words).json == without.json
    assert set(without.json) == {"ok", "plan_hash", "configurations", "requests"}


def test_every_key_of_the_experiment_is_in_the_file_with_a_comment_on_its_section(orchestra, folder):
    orchestra("init")
    text = (folder / "orchestra.yaml").read_text(encoding="utf-8")
    for name in Experiment.model_fields:
        assert f"\n{name}:" in text
    assert "mmr: off" in text
    assert text.count("#") > 25


def test_it_tells_what_to_do_next(orchestra):
    assert orchestra("init").out == "Wrote orchestra.yaml. Next: orchestra plan, then orchestra run\n"


def test_a_file_that_is_there_stays(orchestra, folder):
    (folder / "mine.yaml").write_text("seed: 1\n", encoding="utf-8")
    refused = orchestra("init", "mine.yaml")
    assert refused.code == 2
    assert "mine.yaml: the file exists already" in refused.err
    assert "--force" in refused.err
    assert (folder / "mine.yaml").read_text(encoding="utf-8") == "seed: 1\n"
    assert orchestra("init", "mine.yaml", "--force").code == 0
    assert "fiqa-mini" in (folder / "mine.yaml").read_text(encoding="utf-8")


def test_a_broken_file_or_variable_is_no_obstacle(orchestra, folder, monkeypatch):
    (folder / "orchestra.yaml").write_text("nmae: x\n", encoding="utf-8")
    monkeypatch.setenv("ORCHESTRA_SEDE", "1")
    assert orchestra("init", "new.yaml").code == 0


def test_a_place_that_cannot_be_written(orchestra, folder):
    (folder / "file").write_text("", encoding="utf-8")
    refused = orchestra("init", "file/orchestra.yaml")
    assert refused.code == 3
    assert f"{folder / 'file' / 'orchestra.yaml'}: cannot write: " in refused.err
    assert [path.name for path in folder.iterdir()] == ["file"]
