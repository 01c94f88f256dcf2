"""The script `orchestra` as users start it, and what its runs leave behind."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

SCRIPT = str(Path(sys.executable).with_name("orchestra"))
DATA = Path(__file__).parent / "data"
KEPT = {"ORCHESTRA_CACHE_DIR"}
COLOURS = {"FORCE_COLOR", "CLICOLOR_FORCE", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLUMNS"}
STORY = {
    "name": "story",
    "baseline": {
        "collection": "fiqa_para",
        "alpha": 1.0,
        "top_k": 10,
        "mmr": "off",
        "ef_search": 64,
    },
    "space": {"alpha": [0.0, 0.5, 1.0]},
    "stages": {
        "smoke": {"sample": 10},
        "grid": {"sample": 60, "budget": 0.6},
        "ab": {"sample": 150, "margin": {"p95_ms": 1000, "cost_per_query": 1}},
    },
}
"""Dense search against hybrid search on real data: a clear win, in about three seconds."""


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def text(self) -> str:
        return self.out + self.err


@dataclass(frozen=True)
class Script:
    """`orchestra` with `home` as its home folder and working folder."""

    home: Path

    @property
    def environ(self) -> dict[str, str]:
        def foreign(name: str) -> bool:
            return (name.startswith("ORCHESTRA_") and name not in KEPT) or name in COLOURS

        kept = {name: value for name, value in os.environ.items() if not foreign(name)}
        own = os.environ.get("PYTHONPATH", "")  # of the tree that is tested, where it isn't installed
        return {**kept, "PYTHONPATH": os.pathsep.join(filter(None, [str(DATA), own]))}

    def __call__(self, *words: str, timeout: float = 120, **more: Any) -> Result:
        done = subprocess.run(
            [SCRIPT, *words],
            cwd=self.home,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
            **more,
        )
        return Result(done.returncode, done.stdout, done.stderr)

    def start(self, *words: str) -> subprocess.Popen[str]:
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [SCRIPT, *words], cwd=self.home, env=self.environ, stdout=pipe, stderr=pipe, text=True
        )

    def journals(self) -> list[Path]:
        return sorted((self.home / "reports" / "events").glob("*.jsonl"))

    def events(self, run_id: str) -> list[dict[str, Any]]:
        """The journal's lines; every one must be whole, and have the CRC of its content."""
        path = self.home / "reports" / "events" / f"{run_id}.jsonl"
        data = path.read_bytes()
        assert data.endswith(b"\n")
        return [_checked(line) for line in data.splitlines()]

    def files(self) -> dict[str, int]:
        """Path → size of everything in the home folder."""
        found = sorted(path for path in self.home.rglob("*") if path.is_file())
        return {path.relative_to(self.home).as_posix(): path.stat().st_size for path in found}

    def half_written(self) -> list[str]:
        """Temporary files, and JSON that cannot be read."""
        return [name for name in self.files() if ".tmp" in name or not self._whole(name)]

    def _whole(self, name: str) -> bool:
        try:
            if name.endswith(".json"):
                json.loads((self.home / name).read_bytes())
            if name.endswith(".jsonl"):
                [json.loads(line) for line in (self.home / name).read_bytes().splitlines()]
        except ValueError:
            return False
        return True


def _checked(line: bytes) -> dict[str, Any]:
    body, _, crc = line.rpartition(b',"crc":"')
    assert crc == b'%08x"}' % zlib.crc32(body + b"}")
    event: dict[str, Any] = json.loads(line)
    return event


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """In an empty home folder."""
    home = tmp_path / "home"
    home.mkdir()
    return Script(home)


@pytest.fixture(scope="module")
def module_script(tmp_path_factory: pytest.TempPathFactory) -> Script:
    """In a home folder that the tests of one module share."""
    return Script(tmp_path_factory.mktemp("home"))


@pytest.fixture
def story(script: Script) -> dict[str, Any]:
    """The story's experiment, lying in the home folder as `orchestra.yaml`."""
    return write_story(script)


@pytest.fixture(scope="module")
def module_story(module_script: Script) -> dict[str, Any]:
    return write_story(module_script)


def write_story(script: Script) -> dict[str, Any]:
    (script.home / "orchestra.yaml").write_text(json.dumps(STORY), encoding="utf-8")
    return STORY


@pytest.fixture
def wait_for() -> Callable[..., Any]:
    """`wait_for(condition)` polls until the condition gives something true, which it returns."""

    def wait(condition: Callable[[], Any], seconds: float = 60) -> Any:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if found := condition():
                return found
            time.sleep(0.02)
        raise TimeoutError(f"{condition.__name__} did not come true within {seconds} s")

    return wait


@pytest.fixture
def started(script: Script) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """`started("run")` starts a process that is ended with the test, whatever happens."""
    processes: list[subprocess.Popen[str]] = []

    def start(*words: str) -> subprocess.Popen[str]:
        processes.append(script.start(*words))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.communicate(timeout=30)
