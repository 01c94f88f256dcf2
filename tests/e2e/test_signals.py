"""A signal ends any command as Ctrl-C does, also before it began and after its last word."""

import signal
import subprocess
import sys

import pytest

ENDINGS = [signal.SIGTERM, signal.SIGHUP]
AROUND = """
import os, signal, sys
from orchestra_core.cli import main as entry, signals

number, when = int(sys.argv[1]), sys.argv[2]

def send(): os.kill(os.getpid(), number)

def command(words=None):
    if when == "before": send()
    print("told")
    return 7

if when == "after":
    told = signals.end_with
    signals.end_with = lambda code: (told(code), send())
entry.run = command
sys.argv[1:] = []
entry.main()
"""


@pytest.mark.parametrize("number", ENDINGS)
@pytest.mark.parametrize(("when", "code", "told"), [("before", 130, ""), ("after", 7, "told\n")])
def test_before_the_command_and_after_its_last_word(number, when, code, told):
    words = [sys.executable, "-c", AROUND, str(int(number)), when]
    found = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert (found.returncode, found.stdout) == (code, told)
    assert found.stderr == ("" if when == "after" else "Interrupted.\n")


def test_ctrl_c_after_the_last_word_ends_with_the_commands_code():
    words = [sys.executable, "-c", AROUND, str(int(signal.SIGINT)), "after"]
    found = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert (found.returncode, found.stderr) == (7, "")


@pytest.mark.parametrize("number", ENDINGS)
def test_while_plugins_are_loaded(script, started, wait_for, number):
    process = started("plan", "--plugins", "slow_to_load")
    wait_for((script.home / "loading").exists)
    process.send_signal(number)
    out, err = process.communicate(timeout=120)
    assert (process.returncode, out, err.strip()) == (130, "", "Interrupted.")


def test_what_nohup_ignores_stays_ignored():
    ignoring = "import signal; signal.signal(signal.SIGHUP, signal.SIG_IGN)\n"
    words = [sys.executable, "-c", ignoring + AROUND, str(int(signal.SIGHUP)), "before"]
    found = subprocess.run(words, capture_output=True, text=True, timeout=60, check=False)
    assert (found.returncode, found.stdout) == (7, "told\n")
