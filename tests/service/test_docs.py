"""What docs/service.md shows works as it stands there."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml

DOCS = Path(__file__).parents[2] / "docs" / "service.md"
TEXT = DOCS.read_text()
SHOWN = [json.loads(body) for body in re.findall(r"-d '(\{.*?\})'", TEXT)]
BODIES = [
    {},
    {"mode": "smoke"},
    {"mode": "ab"},
    {"preset": "quick"},
    {"overrides": {"alpha": [0, 0.5]}},
]


@pytest.fixture(scope="module")
def documented(serve_module, tmp_path_factory):
    """A service of the experiment in the docs."""
    (yaml_text,) = re.findall(r"```yaml\n(.*?)```", TEXT, re.DOTALL)
    assert "fiqa_para_50k" in yaml.safe_load(yaml_text)["collections"]
    file = tmp_path_factory.mktemp("docs") / "orchestra.yaml"
    file.write_text(yaml_text)
    return serve_module("--file", str(file), target=("--plugins", "fiqa,no:reporters"))


@pytest.mark.parametrize("body", [*SHOWN, *BODIES], ids=json.dumps)
def test_every_call_works_with_the_experiment_shown(body, documented):
    answer = documented.post("/orchestrate/run", {**body, "dry_run": True})
    assert answer.status_code == 200, answer.text
    assert answer.json()["requests"] > 0
