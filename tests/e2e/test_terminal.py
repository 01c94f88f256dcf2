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


def plain_lines(seen: str) -> list[str]:
    return [line.rstrip() for line in re.split(r"[\r\n]+", CONTROL.sub("", seen))]


def bars_of(lines: list[str], stage: str) -> list[str]:
    return [line for line in lines if re.match(rf". {stage} ", line)]


def test_bars_show_stage_rung_best_and_time(script, story):
    code, seen = on_a_terminal(script, "run", "--plugins", "no:reporters", width=120)
    assert code == 0, seen
    lines = plain_lines(seen)
    best = [line for line in bars_of(lines, "grid") if re.search(r"rung \d · best 0\.\d{4}", line)]
    assert best
    assert "fiqa_para-k10-a" in best[-1]
    assert bars_of(lines, "smoke")
    assert bars_of(lines, "ab")
    assert any(line.startswith("grid · ") for line in lines)  # decisions stay above the bars
    assert seen.rfind("\x1b[?25h") > seen.rfind("\x1b[?25l") >= 0  # the cursor comes back
    assert any(line.startswith("Verdict: WIN") for line in lines)


def test_a_narrow_terminal_cuts_the_note_and_keeps_the_times(script):
    words = ("run", "--plugins", "stub_target", "--plugins", "no:reporters")
    code, seen = on_a_terminal(script, *words, width=64)
    assert code == 0, seen
    bars = [line for stage in ("smoke", "grid", "ab") for line in bars_of(plain_lines(seen), stage)]
    assert bars
    assert max(map(len, bars)) <= 64
    assert all(re.search(r"\d+/\d+ +\d:\d\d:\d\d +[-\d]:[-\d]{2}:[-\d]{2}", line) for line in bars)


def test_quiet_is_quiet_on_a_terminal_too(script):
    words = ("run", "--quiet", "--plugins", "stub_target", "--plugins", "no:reporters")
    code, seen = on_a_terminal(script, *words, width=100)
    assert code == 0
    assert "rung" not in seen
    assert "\x1b[?25l" not in seen
    assert plain_lines(seen)[0].startswith("stub · ")
