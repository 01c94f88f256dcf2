"""The CLI in this process (`orchestra`), or as a process of its own (`shell`), in a clean folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from orchestra_core.cli.main import run

SCRIPT = Path(sys.executable).with_name("orchestra")
DATA = Path(__file__).parent / "data"
KEPT = {"ORCHESTRA_CACHE_DIR"}
COLOURS = {"FORCE_COLOR", "CLICOLOR_FORCE", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS"}


@dataclass(frozen=True)
class Result:
    """What a call of the CLI came to."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def text(self) -> str:
        return self.out + self.err


def _foreign(name: str) -> bool:
    return (name.startswith("ORCHESTRA_") and name not in KEPT) or name in COLOURS


def clean_environment(**more: str) -> dict[str, str]:
    """This process's environment without what would change an experiment or its display."""
    kept = {name: value for name, value in os.environ.items() if not _foreign(name)}
    own = os.environ.get("PYTHONPATH", "")  # of the tree that is tested, where it isn't installed
    return {**kept, "PYTHONPATH": os.pathsep.join(filter(None, [str(DATA), own])), **more}


def call(*words: str, cwd: Path, timeout: float = 240, **environ: str) -> Result:
    done = subprocess.run(
        [SCRIPT, *words],
        cwd=cwd,
        env=clean_environment(**environ),
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )
    return Result(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder, and an environment that says nothing about experiments."""
    for name in list(os.environ):
        if _foreign(name):
            monkeypatch.delenv(name)
    monkeypatch.syspath_prepend(DATA)
    place = tmp_path / "work"
    place.mkdir()
    monkeypatch.chdir(place)
    return place


@pytest.fixture
def orchestra(folder: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., Result]:
    """`orchestra("plan", "--json")` in this process, in `folder`."""

    def call_here(*words: str) -> Result:
        capsys.readouterr()
        code = run(words)
        captured = capsys.readouterr()
        return Result(code, captured.out, captured.err)

    return call_here


@pytest.fixture
def shell(folder: Path) -> Callable[..., Result]:
    """`shell("plan", NAME="value")` as a process of its own, in `folder`."""

    def call_there(*words: str, **environ: str) -> Result:
        return call(*words, cwd=folder, **environ)

    return call_there


@pytest.fixture(scope="session")
def finished_once(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A home folder with two finished runs of the stub, and the id of the second."""
    home = tmp_path_factory.mktemp("finished")
    for name in ("first", "second"):
        words = ("run", "--plugins", "stub_target", "--set", f"name={name}", "--json")
        result = call(*words, "--home", str(home), cwd=home)
        assert result.code == 0, result.text
    return home, result.json["run_id"]


@pytest.fixture
def finished(
    finished_once: tuple[Path, str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> tuple[Path, str]:
    """A copy of those runs in ORCHESTRA_HOME, and the id of the second."""
    home = folder / "home"
    shutil.copytree(finished_once[0], home)
    monkeypatch.setenv("ORCHESTRA_HOME", str(home))
    return home, finished_once[1]


@pytest.fixture
def write_plugin(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """`write_plugin(module, source, name=…)` puts a module on the path; with a name, installed."""
    place = folder.parent / "site"
    place.mkdir()
    monkeypatch.syspath_prepend(place)

    def write(module: str, source: str, *, name: str = "", distribution: str = "") -> Path:
        (place / f"{module}.py").write_text(source, encoding="utf-8")
        monkeypatch.delitem(sys.modules, module, raising=False)
        if name:
            _install(place, distribution or module, f"{name} = {module}")
        return place

    return write


def _install(place: Path, distribution: str, entry: str) -> None:
    info = place / f"{distribution}-1.5.dist-info"
    info.mkdir()
    metadata = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.5\n"
    (info / "METADATA").write_text(metadata, encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[orchestra]\n{entry}\n", encoding="utf-8")
