"""`orchestra` itself: help, version, what it imports, and how it ends."""

import json
import os
import subprocess
import sys
from pathlib import Path

import click
import pytest

from orchestra_core import __version__
from orchestra_core.cli.group import COMMANDS, cli

HEAVY = {
    "numpy",
    "scipy",
    "pydantic",
    "rich",
    "yaml",
    "pluggy",
    "ir_measures",
    "matplotlib",
    "fastapi",
    "starlette",
    "uvicorn",
    "jinja2",
}
PLUGINS = {"orchestra_fiqa_runner", "orchestra_reflection_rules", "orchestra_reporters"}


def every_command(command: click.Command, words: tuple[str, ...] = ()):
    yield words
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            assert inner is not None
            yield from every_command(inner, (*words, name))


def command_called(name: str) -> click.Command:
    found = cli.get_command(click.Context(cli), name)
    assert found is not None
    return found


def modules_after(*words: str) -> set[str]:
    """Top-level modules that are loaded once the CLI has run, besides those of click itself."""
    script = f"""
import sys, click
from orchestra_core.cli.main import run
code = run({list(words)!r})
print("\\n" + "\\n".join(sorted({{name.partition(".")[0] for name in sys.modules}})), file=sys.stderr)
sys.exit(code)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60
    )
    return set(done.stderr.split())


@pytest.mark.parametrize("words", [*every_command(cli)], ids=" ".join)
def test_every_command_has_help(words, orchestra):
    result = orchestra(*words, "--help")
    assert result.code == 0
    assert result.out.startswith(f"Usage: {' '.join(('orchestra', *words))} ")
    assert "--help" in result.out
    assert result.err == ""


@pytest.mark.parametrize("word", ["--help", "-h", "--version"])
def test_root_help_imports_nothing_heavy(word):
    loaded = modules_after(word)
    assert "click" in loaded
    assert loaded & (HEAVY | PLUGINS) == set()


def test_the_import_check_would_notice():
    assert {"pydantic", "rich"} <= modules_after("data", "list")


@pytest.mark.parametrize("name", COMMANDS)
def test_the_short_help_is_the_first_line_of_the_command(name):
    first_line = (command_called(name).help or "").split("\n")[0]
    assert first_line == COMMANDS[name]


def test_root_help_lists_every_command_with_its_line(orchestra):
    told = " ".join(orchestra("--help").out.split())
    for name, line in COMMANDS.items():
        assert f"{name} {line}" in told


def test_version(orchestra):
    assert orchestra("--version").out == f"orchestra, version {__version__}\n"


@pytest.mark.parametrize(
    ("typed", "meant"),
    [("runn", "run"), ("statsu", "status"), ("evnts", "events"), ("plugin", "plugins")],
)
def test_an_unknown_command_names_the_nearest(typed, meant, orchestra):
    result = orchestra(typed)
    assert result.code == 2
    assert f"No such command '{typed}'. Did you mean '{meant}'?" in result.err
    assert result.out == ""


def test_a_command_like_no_other_lists_the_known_ones(orchestra):
    assert "Known: compare, completion, config, data" in orchestra("zzzzzz").err


def test_wrong_usage_is_json_when_json_is_asked_for(orchestra):
    result = orchestra("list", "--json", "--colour")
    assert result.code == 2
    assert result.json["error"]["type"] == "usage"
    assert "--colour" in result.json["error"]["msg"]
    assert "orchestra list --help" in result.json["error"]["hint"]


def test_debug_adds_the_traceback_and_keeps_the_exit_code(orchestra):
    plain = orchestra("plan", "--file", "missing.yaml")
    debug = orchestra("--debug", "plan", "--file", "missing.yaml")
    assert "Traceback" not in plain.text
    assert "Traceback (most recent call last)" in debug.err
    assert debug.err.endswith(plain.err)
    assert plain.code == debug.code == 2


def test_the_environment_can_ask_for_tracebacks(orchestra, monkeypatch):
    monkeypatch.setenv("ORCHESTRA_DEBUG", "1")
    assert "Traceback" in orchestra("status", "nowhere").err
    monkeypatch.setenv("ORCHESTRA_DEBUG", "0")
    assert "Traceback" not in orchestra("status", "nowhere").err


def test_debug_shows_where_a_run_failed(orchestra, write_plugin):
    source = (
        "from orchestra_core import hookimpl\n@hookimpl\ndef orchestra_executor(request):\n    1 / 0\n"
    )
    write_plugin("dividing", source)
    words = ("run", "--plugins", "stub_target,dividing", "--plugins", "no:reporters")
    assert "Traceback" not in orchestra(*words).text
    told = orchestra("--debug", *words, "--json")
    assert "ZeroDivisionError" in told.err
    assert 'dividing.py", line 4' in told.err
    assert json.loads(told.out)["status"] == "failed"


def test_a_reader_that_has_seen_enough_is_no_error(shell, finished):
    script = Path(sys.executable).with_name("orchestra")
    command = f"{script} events latest --json | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, timeout=60, check=True
    )
    first, code = done.stdout.splitlines()
    assert json.loads(first)["event_type"] == "RUN_STARTED"
    assert code == "0"
    assert done.stderr == ""


def test_a_reader_that_leaves_a_table_is_no_error(finished):
    """Tables are written by another library than lines."""
    assert unread("list", home=finished[0]) == 0


def unread(*words, home):
    """The exit code of a process whose standard output is closed before it says anything."""
    reading, writing = os.pipe()
    os.close(reading)
    script = Path(sys.executable).with_name("orchestra")
    environ = {**os.environ, "ORCHESTRA_HOME": str(home), "PYTHONPATH": os.pathsep.join(sys.path)}
    try:
        done = subprocess.run([script, *words], stdout=writing, env=environ, timeout=60, check=False)
    finally:
        os.close(writing)
    return done.returncode


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_a_reader_that_leaves_does_not_change_the_exit_code(orchestra, finished, more):
    home, run_id = finished
    configs = ("--config", "q0p9", "--config", "q0p3")
    words = ("--plugins", "stub_target", *more)
    assert orchestra("compare", run_id, run_id, *configs, *words).code == 1
    assert unread("compare", run_id, run_id, *configs, *words, home=home) == 1
    (home / "reports" / run_id / "winners.md").write_text("We won.\n")
    assert unread("verify", run_id, *words, home=home) == 1
    assert unread("status", "nobody", *more, home=home) == 2
