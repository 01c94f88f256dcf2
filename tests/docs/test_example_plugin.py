"""The example plugin, as a stranger would use it: its own tests, its wheel, a run."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

ORCHESTRA = ("-c", "from orchestra_core.cli.main import main; main()")
STAGES = "stages: {smoke: {sample: 10}, grid: {sample: 20, budget: 1.0}, ab: {sample: 40}}\n"


def run(*command, cwd, code=0, **variables):
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1", **variables},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


@pytest.fixture
def home(tmp_path):
    """A home folder with an experiment, and a BEIR folder in which rare words decide."""
    faq = tmp_path / "home" / "faq"
    (faq / "qrels").mkdir(parents=True)
    rare = [{"_id": f"d{i}", "title": "Glossary", "text": f"word{i} is explained"} for i in range(100)]
    common = [{"_id": f"x{i}", "text": "what does it mean"} for i in range(80)]
    queries = [{"_id": f"q{i}", "text": f"What does word{i} mean?"} for i in range(100)]
    for name, rows in (("corpus", rare + common), ("queries", queries)):
        (faq / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    judged = "".join(f"q{i}\td{i}\t1\n" for i in range(100))
    (faq / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + judged)
    (faq.parent / "orchestra.yaml").write_text("dataset: beir:faq\n" + STAGES)
    return faq.parent


def check_run(home, stdout):
    """The outcome of a run in which tf-idf must win over the baseline."""
    outcome = json.loads(stdout)
    assert outcome["exit_code"] == 0
    assert outcome["verdict"]["kind"] == "win"
    assert outcome["verdict"]["baseline"] == "presence-k10"
    winner = outcome["winner"]["config_id"]
    assert winner.startswith("tfidf-")
    folder = home / "reports" / outcome["run_id"]
    assert f"winner: {winner}\npublished: yes\n" in (folder / "summary.txt").read_text()
    assert f"reports/{outcome['run_id']}/summary.txt" in outcome["artifacts"]
    (published,) = json.loads((home / "reports" / "winners.final.json").read_text())
    assert published["winner"]["config_id"] == winner
    return folder


def test_its_own_tests_pass(example):
    told = run(
        *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", "pyproject.toml"),
        cwd=example,
        PYTHONPATH=str(example),
    )
    assert " passed" in told
    assert "failed" not in told


def test_it_runs_as_a_module_without_installation(example, home):
    stdout = run(
        *(sys.executable, *ORCHESTRA, "run", "--plugins", "orchestra_wordcount.plugin", "--json"),
        cwd=home,
        PYTHONPATH=str(example),
    )
    check_run(home, stdout)


@pytest.fixture(scope="module")
def stranger(tmp_path_factory, example):
    """A fresh environment with the example's wheel; everything else is seen from outside."""
    folder = tmp_path_factory.mktemp("stranger")
    run(sys.executable, "-m", "build", "--wheel", "--outdir", folder, example, cwd=folder)
    (wheel,) = folder.glob("orchestra_wordcount-*.whl")
    run(sys.executable, "-m", "venv", "--without-pip", folder / "env", cwd=folder)
    python = folder / "env" / "bin" / "python"
    run(
        sys.executable,
        "-m",
        "pip",
        "--python",
        python,
        "install",
        "--no-deps",
        "--quiet",
        wheel,
        cwd=folder,
    )
    (own,) = (folder / "env" / "lib").glob("python*/site-packages")
    outer = sysconfig.get_path("purelib")
    (own / "outer.pth").write_text(f"import site; site.addsitedir({outer!r})\n")
    return python


@pytest.mark.wheels
def test_its_wheel_is_a_plugin_once_installed(stranger, home):
    orchestra = (stranger, *ORCHESTRA)
    rows = {
        row["name"]: row for row in json.loads(run(*orchestra, "plugins", "list", "--json", cwd=home))
    }
    row = rows["wordcount"]
    assert (row["status"], row["distribution"]) == ("loaded", "orchestra-wordcount")
    hooks = {"orchestra_describe_runner", "orchestra_reflect", "orchestra_report", "orchestra_runner"}
    assert set(row["hooks"]) == hooks | {"orchestra_settings"}
    stdout = run(*orchestra, "run", "--plugins", "wordcount", "--json", cwd=home)
    folder = check_run(home, stdout)
    winners = json.loads((folder / "winners.json").read_text())
    assert winners["fingerprints"]["plugins"]["wordcount"] == "0.1.0"
    assert (folder / "pareto.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.wheels
def test_a_wrong_parameter_is_refused_with_its_place(stranger, home):
    (home / "orchestra.yaml").write_text("dataset: beir:faq\n" + STAGES + "space: {damping: [2.0]}\n")
    orchestra = (stranger, *ORCHESTRA)
    stdout = run(*orchestra, "plan", "--plugins", "wordcount", "--json", cwd=home, code=2)
    error = json.loads(stdout)["error"]
    assert "damping" in error["msg"]
    assert error["hint"] == "Expected a number from 0 to 1."


@pytest.mark.wheels
def test_the_project_environment_stays_as_it_was(stranger):
    from importlib.metadata import distributions

    assert "orchestra-wordcount" not in {d.metadata["Name"] for d in distributions()}
    assert Path(stranger).exists()
