"""The four wheels, installed into fresh environments: the core alone, and all together."""

import json
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROJECTS = {
    "orchestra_core": ROOT,
    "orchestra_fiqa_runner": ROOT / "plugins" / "fiqa_runner",
    "orchestra_reflection_rules": ROOT / "plugins" / "reflection_rules",
    "orchestra_reporters": ROOT / "plugins" / "reporters",
}
pytestmark = [pytest.mark.wheels, pytest.mark.timeout(600)]


def call(*words: object, **more: object) -> str:
    own = {k: v for k, v in os.environ.items() if k != "PYTHONPATH"}  # what is installed, not a tree
    texts = [str(word) for word in words]
    kept = {"capture_output": True, "text": True, "timeout": 300, "env": own}
    done = subprocess.run(texts, check=False, **kept, **more)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    """Import package → its wheel."""
    out = tmp_path_factory.mktemp("wheels")

    def build(project: Path) -> None:
        call(sys.executable, "-m", "build", "--wheel", "--outdir", out, project)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(build, PROJECTS.values()))
    return {path.name.partition("-")[0]: path for path in out.glob("*.whl")}


@pytest.fixture(scope="module")
def third_party(tmp_path_factory):
    """Everything that is installed here but Orchestra itself, as a folder for `sys.path`."""
    folder = tmp_path_factory.mktemp("third_party")
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        if "orchestra" not in path.name.lower() and path.suffix != ".pth":
            (folder / path.name).symlink_to(path)
    return folder


@pytest.fixture
def install(tmp_path, wheels, third_party):
    """`install("orchestra_core", …)` gives the folder of scripts of a fresh environment."""

    def environment(*packages: str) -> Path:
        home = tmp_path / "venv"
        venv.create(home)
        python = home / "bin" / "python"
        (site,) = home.glob("lib/*/site-packages")
        (site / "third_party.pth").write_text(f"{third_party}\n", encoding="utf-8")
        chosen = [wheels[package] for package in packages]
        options = ("--no-deps", "--no-index", "--quiet", "--disable-pip-version-check")
        call(sys.executable, "-m", "pip", "--python", python, "install", *options, *chosen)
        return home / "bin"

    return environment


@pytest.mark.parametrize("package", PROJECTS)
def test_a_wheel_holds_its_package_with_types_and_nothing_else(package, wheels):
    assert set(wheels) == set(PROJECTS)
    names = zipfile.ZipFile(wheels[package]).namelist()
    assert f"{package}/py.typed" in names
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {package}
    assert not [name for name in names if "/tests/" in name or "__pycache__" in name]


def test_all_four_together(install, tmp_path):
    scripts = install(*PROJECTS)
    assert call(scripts / "orchestra", "--version", cwd=tmp_path).startswith("orchestra, version ")
    listed = json.loads(call(scripts / "orchestra", "plugins", "list", "--json", cwd=tmp_path))
    loaded = {row["name"] for row in listed if row["status"] == "loaded"}
    assert {"fiqa", "reflection_rules", "reporters", "core.planner"} <= loaded
    where = "import orchestra_core, orchestra_reporters; print(orchestra_core.__file__)"
    assert str(scripts.parent) in call(scripts / "python", "-c", where, cwd=tmp_path)
    words = (
        "--set",
        "stages.grid.sample=20",
        "--set",
        "space.alpha=[0.0]",
        "--set",
        "stages.ab.sample=20",
    )
    called = subprocess.run(
        [scripts / "orchestra", "run", "-q", *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert called.returncode in {0, 4}, called.stderr
    assert list((tmp_path / "reports").glob("*/winners.json"))


def test_the_core_alone_says_what_to_install(install, tmp_path):
    scripts = install("orchestra_core")
    listed = call(scripts / "orchestra", "plugins", "list", cwd=tmp_path)
    assert "core.planner" in listed
    assert "fiqa" not in listed
    for words in (("run",), ("run", "--plugins", "fiqa")):
        refused = subprocess.run(
            [scripts / "orchestra", *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert refused.returncode == 2
        assert "Traceback" not in refused.stderr
        assert "pip install orchestra-fiqa-runner" in refused.stderr
    assert not (tmp_path / "reports").exists()
