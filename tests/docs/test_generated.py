"""Generated pages are current, and say all that they should."""

from __future__ import annotations

import shutil

import pytest

from orchestra_core import hookspecs
from orchestra_core.experiment import Experiment

HOOKS = sorted(name for name in vars(hookspecs) if name.startswith("orchestra_"))


def test_pages_are_current(generate, capsys):
    assert generate.main(["--check"]) == 0, capsys.readouterr().err


def test_a_stale_page_is_found_and_written(generate, docs, tmp_path, monkeypatch, capsys):
    copy = shutil.copytree(docs, tmp_path / "docs", ignore=shutil.ignore_patterns("__pycache__"))
    monkeypatch.setattr(generate, "DOCS", copy)
    page = copy / "hooks.md"
    page.write_text(page.read_text().replace("orchestra_guard(evidence", "orchestra_guard(proof"))
    assert generate.main(["--check"]) == 1
    assert "hooks.md is not current" in capsys.readouterr().err
    assert generate.main([]) == 0
    assert page.read_text() == (docs / "hooks.md").read_text()
    assert generate.main(["--check"]) == 0


def test_every_block_is_used_by_just_one_page(generate, pages):
    text = "".join(pages.values())
    counts = {name: text.count(f"<!-- generated: {name} -->") for name in generate.BLOCKS}
    assert counts == dict.fromkeys(generate.BLOCKS, 1)


def test_every_hook_belongs_to_a_phase(generate):
    assert sorted(name for names in generate.hooks.phases().values() for name in names) == HOOKS


@pytest.mark.parametrize("hook", HOOKS)
def test_hook_is_documented_with_its_exact_signature(hook, generate, pages):
    section = pages["hooks.md"].split(f"### {hook}\n")[1].split("\n### ")[0]
    assert f"```python\n{generate.hooks.signature(hook)}\n```" in section
    for label in ("When", "Returns", "Combination", "Raises"):
        assert f"- **{label}" in section
    assert f"@hookimpl\ndef {hook}(" in section


def test_signatures_are_those_of_hookspecs(generate):
    written = "orchestra_reflect(evidence: RungEvidence) -> Sequence[Decision] | Decision | None"
    assert generate.hooks.signature("orchestra_reflect") == written


def test_every_experiment_key_has_a_meaning(generate):
    without = [key for key, _, _, meaning in generate.keys.keys_of(Experiment) if not meaning]
    assert without == []


def test_types_and_defaults_are_those_of_the_model(generate):
    rows = {key: (kind, default) for key, kind, default, _ in generate.keys.keys_of(Experiment)}
    assert rows["stages.grid.budget"] == ("number above 0 to 1", "0.15")
    assert rows["limits.wall"] == ("seconds, or a duration such as `30m`", "1800")
    assert rows["stages.ab.margin"] == ("mapping", "{p95_ms: 25, cost_per_query: 0.0001}")
    assert rows["concurrency"] == ("whole number from 1 to 256", "4")
