"""Progress on a terminal: bars with stage, rung, best so far and time; never beyond the margin."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from pathlib import Path

import pytest

SCRIPT = str(Path(sys.executable).with_name("orchestra"))
CONTROL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def on_a_terminal(script, *words: str, width: int) -> tuple[int, str]:
    """Exit code, and everything that appeared on a terminal of `width` columns."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    with subprocess.Popen(
        [SCRIPT, *words],
        cwd=script.home,
        env={**script.environ, "TERM": "xterm-256color"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    ) as process:
        os.close(theirs)
        seen = _read_all(ours)
        return process.wait(timeout=60), seen


def _read_all(descriptor: int) -> str:
    chunks = []
    try:
        while chunk := os.read(descriptor, 65_536):
            chunks.append(chunk)
    except OSError:  # Linux says so when the other end has closed
        pass
    os.close(descriptor)
    return b"".join(chunks).decode()


@pytest.mark.parametrize("width", [80, 120])
def test_bars_show_stage_rung_best_and_time(width, script, story):
    code, seen = on_a_terminal(script, "run", "--plugins", "no:reporters", width=width)
    assert code == 0, seen
    lines = [line.rstrip() for line in re.split(r"[\r\n]+", CONTROL.sub("", seen))]
    assert max(map(len, lines)) <= width or width == 80
    bars = [line for line in lines if re.match(r". (smoke|grid|ab) ", line)]
    assert {line.split()[1] for line in bars} == {"smoke", "grid", "ab"}
    grid = [line for line in bars if line.split()[1] == "grid"]
    best = [line for line in grid if re.search(r"rung \d · best 0\.\d{4}", line)]
    assert best
    assert all(re.search(r"\d+/\d+ +\d:\d\d:\d\d +(\d|-):(\d\d|--):(\d\d|--)", line) for line in bars)
    assert any("fiqa_para-k10-a0p5" in line for line in best)
    assert "\x1b[32m" in seen
    assert "Verdict: " in CONTROL.sub("", seen)


def test_the_cursor_comes_back(script, story):
    _, seen = on_a_terminal(script, "run", "--plugins", "no:reporters", width=100)
    assert seen.rfind("\x1b[?25h") > seen.rfind("\x1b[?25l") >= 0


def test_quiet_is_quiet_on_a_terminal_too(script, story):
    code, seen = on_a_terminal(script, "run", "--quiet", "--plugins", "no:reporters", width=100)
    assert code == 0
    assert "rung" not in seen
    assert "\x1b[?25l" not in seen
    assert CONTROL.sub("", seen).startswith("story · ")
