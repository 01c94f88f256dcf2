"""Commands that plugins add."""

import pytest

SOURCE = '''
import click
from orchestra_core import hookimpl


@click.command("{name}")
@click.option("--loud", is_flag=True)
def greet(loud):
    """Greet."""
    click.echo("HELLO" if loud else "hello")


@hookimpl
def orchestra_commands(cli):
    cli.add(greet)
'''


@pytest.fixture
def greeter(write_plugin):
    """A plugin that is really installed: its metadata lie on the path."""
    return write_plugin("greeter", SOURCE.format(name="greet"), name="greeter")


def test_a_plugin_s_command_can_be_called(orchestra, greeter):
    assert orchestra("greet", "--loud").out == "HELLO\n"
    assert orchestra("greet", "--help").out.startswith("Usage: orchestra greet")


def test_as_a_process_too(shell, greeter):
    result = shell("greet", PYTHONPATH=str(greeter))
    assert (result.code, result.out) == (0, "hello\n")


def test_the_list_of_plugins_names_their_commands(orchestra, greeter):
    shown = orchestra("--help").out
    assert "`orchestra plugins list` names them" in " ".join(shown.split())
    rows = {row["name"]: row["commands"] for row in orchestra("plugins", "list", "--json").json}
    assert rows["greeter"] == ["greet"]
    assert rows["fiqa"] == ["fiqa"]
    assert "orchestra greet" in orchestra("plugins", "list").out
    assert "orchestra greet" in orchestra("plugins", "show", "greeter").out


def test_a_misspelt_one_is_suggested(orchestra, greeter):
    assert "Did you mean 'greet'?" in orchestra("gret").err


def test_help_does_not_load_plugins(orchestra, write_plugin):
    write_plugin("boom", "raise OSError('boom')\n", name="boom")
    assert orchestra("--help").code == 0


@pytest.mark.parametrize("name", ["status", "run", "completion"])
def test_a_command_of_the_core_cannot_be_replaced(name, orchestra, write_plugin):
    write_plugin("greeter", SOURCE.format(name=name), name="greeter")
    refused = orchestra("anything")
    assert refused.code == 2
    assert f"greeter adds a command '{name}', which orchestra has already" in refused.err
    assert "Rename" in refused.err
    assert orchestra("list").code == 0


def test_two_plugins_with_one_command_are_both_named(orchestra, greeter, write_plugin):
    write_plugin("welcomer", SOURCE.format(name="greet"), name="welcomer")
    refused = orchestra("greet")
    assert refused.code == 2
    assert "adds a command 'greet'" in refused.err
    assert "greeter" in refused.err
    assert "welcomer" in refused.err


def test_a_plugin_that_failed_is_named_when_its_command_is_missing(orchestra, write_plugin):
    write_plugin("boom", "raise OSError('boom')\n", name="boom")
    refused = orchestra("boom-command")
    assert refused.code == 2
    assert "No such command 'boom-command'" in refused.err
    assert "plugin 'boom' (boom 1.5) could not be loaded: OSError: boom" in refused.err


def test_a_plugin_that_raises_while_adding_is_named(orchestra, write_plugin):
    source = "from orchestra_core import hookimpl\n@hookimpl\ndef orchestra_commands(cli):\n    1 / 0\n"
    write_plugin("boom", source, name="boom")
    refused = orchestra("boom-command")
    assert refused.code == 2
    assert "plugin 'boom' (boom 1.5) failed in orchestra_commands: ZeroDivisionError" in refused.err
